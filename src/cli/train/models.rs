//! `almt-data models`: lists the available models and their requirements.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::Failure;
use crate::corpus::Dataset;
use crate::model::listing;
use crate::model::registry::Inputs;
use crate::run::preset::Preset;
use crate::store::Store;
use crate::trainer::needs_encoder;
use crate::trainer::samples::Samples;
use crate::words::count;

/// List the available models: source, requirements, and size for a store
#[derive(Args)]
pub struct ModelsArgs {
    /// Store to size the models for
    #[arg(long)]
    store: Option<PathBuf>,
    /// Print JSON instead of a table, as described by `almt-data schema models`
    #[arg(long)]
    json: bool,
}

/// Lists all models.
pub fn models(args: ModelsArgs) -> Result<ExitCode, Failure> {
    let store = args.store.as_deref().map(Store::open).transpose()?;
    let dataset = store.as_ref().map_or(Dataset::Mosi, |store| store.manifest().dataset);
    let dataset = Preset::usual(dataset);
    let needs_encoder = store.as_ref().is_some_and(needs_encoder);
    let inputs = store.map(|store| Inputs(Samples::of(store).sequences()));
    let lines = listing::models(dataset, inputs.as_ref());
    if args.json {
        crate::cli::output::json(&lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in &lines {
        let verified = match line.verified {
            true => "tested against values recorded from that code",
            false => "not tested against published code",
        };
        outln!("{:<10}{}", line.name, line.source);
        outln!("          needs {}; {verified}", line.needs);
        match (line.n_parameters, &line.problem) {
            (Some(n), _) => outln!(
                "          {} trainable parameters on this store, without a text encoder",
                count(n as usize)
            ),
            (None, Some(problem)) => outln!("          not usable on this store: {problem}"),
            (None, None) => {}
        }
    }
    if needs_encoder {
        outln!(
            "The store has no text features: `train --text bert` makes them of its tokens or \
            texts."
        );
    }
    Ok(ExitCode::SUCCESS)
}
