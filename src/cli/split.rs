//! `almt-data split`: other splits of a store than its own, as a file beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use clap::error::ErrorKind;

use super::{Failure, wrong_call};
use crate::corpus::SplitName;
use crate::corpus::draw::{self, Drawable};
use crate::corpus::plan::{PlanError, SplitPlan};
use crate::corpus::spec::SplitBy;
use crate::publish;
use crate::store::Store;

/// Draw other splits of a store: k-fold or by shares, stratified by label, videos kept whole
#[derive(Args)]
#[command(group = clap::ArgGroup::new("method").required(true))]
pub struct SplitArgs {
    /// The store
    store: PathBuf,
    /// Cross-validation with so many folds: each part is tested on once, the next one is validated
    /// on
    #[arg(long, group = "method", value_name = "K")]
    #[arg(value_parser = super::number::within::<u16>(3, 1000))]
    k_fold: Option<u16>,
    /// One fold with these shares of train, valid and test, such as 0.7,0.1,0.2
    #[arg(long, group = "method", value_name = "TRAIN,VALID,TEST", allow_hyphen_values = true)]
    ratio: Option<Shares>,
    /// Draw the validation split of a store that has none from its training split, by two shares:
    /// `--from train --ratio 0.9,0.1`. The test split stays as it is
    #[arg(long, requires = "ratio", value_parser = ["train"], value_name = "train")]
    #[arg(conflicts_with_all = ["k_fold", "from_manifest"])]
    from: Option<String>,
    /// The folds of another split manifest, for a store of the same segments
    #[arg(long, group = "method", value_name = "JSON")]
    from_manifest: Option<PathBuf>,
    /// What stays together: video or segment
    #[arg(long, default_value_t = SplitBy::Video, conflicts_with = "from_manifest")]
    by: SplitBy,
    /// Seed of what is left to chance
    #[arg(long, default_value_t = 1, conflicts_with = "from_manifest", value_parser = super::number::from::<u64>(0))]
    seed: u64,
    /// Where the split manifest goes
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
}

/// Shares of train, valid and test, or of the first two: none negative, the first and the last
/// above zero.
#[derive(Debug, Clone)]
struct Shares(Vec<f64>);

impl FromStr for Shares {
    type Err = String;

    fn from_str(text: &str) -> Result<Shares, String> {
        let shares: Vec<f64> = text
            .split(',')
            .map(|share| share.trim().parse().map_err(|_| format!("`{share}` is no number")))
            .collect::<Result<_, _>>()?;
        if ![2, 3].contains(&shares.len()) {
            let n_found = shares.len();
            return Err(format!(
                "expected three shares, or two with `--from train`, found {n_found}"
            ));
        }
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        let ends = [shares.first(), shares.last()];
        let possible = ends.into_iter().flatten().all(|end| *end > 0.0);
        if !possible
            || !shares.iter().all(is_share)
            || (shares.iter().sum::<f64>() - 1.0).abs() > 1e-6
        {
            return Err("shares lie in 0 to 1, the first and the last above 0, and sum to 1".into());
        }
        Ok(Shares(shares))
    }
}

/// How this command is called.
const CALL: &str = "almt-data split";

/// Writes one split manifest.
pub fn split(args: SplitArgs) -> Result<ExitCode, Failure> {
    if args.output.exists() && !args.overwrite {
        return Err(Failure::at(&args.output, "exists already").hint("`--overwrite` replaces it"));
    }
    let store = Store::open(&args.store)?;
    let manifest = store.manifest();
    let shares = args.ratio.as_ref().map(|Shares(shares)| shares.as_slice());
    let wrong = |problem| wrong_call::<SplitArgs>(CALL, ErrorKind::WrongNumberOfValues, problem);
    let segments = match &args.from {
        Some(_) => store.drawable(&[SplitName::Train])?,
        None => store.drawable(&SplitName::ALL)?,
    };
    let plan = match (args.k_fold, shares, &args.from_manifest) {
        (Some(k), ..) => draw::k_fold(manifest, &segments, k.into(), args.by, args.seed),
        (_, Some(&[train, valid]), _) if args.from.is_some() => {
            draw::from_train(manifest, &segments, [train, valid], args.by, args.seed)
        }
        (_, Some(&[train, valid, test]), _) if args.from.is_none() => {
            draw::ratio(manifest, &segments, [train, valid, test], args.by, args.seed)
        }
        (_, Some(_), _) => wrong("`--ratio` takes three shares, and two with `--from train`"),
        (_, _, Some(other)) => {
            let path = other;
            let other = SplitPlan::load(path)?;
            let n_unused = other.n_unused(manifest);
            SplitPlan::from_other(&other, manifest).inspect(|_| {
                if n_unused > 0 {
                    let path = path.display();
                    eprintln!("note: {path}: segments that are not in the store: {n_unused}");
                }
            })
        }
        // The group of arguments is required.
        _ => return Err(Failure::new("one of --k-fold, --ratio and --from-manifest is needed")),
    };
    let plan = plan.map_err(|error| {
        let failure = Failure::of(&args.store, &error);
        match error {
            PlanError::HasValid { .. } => {
                failure.hint("without `--from`, `--ratio 0.7,0.1,0.2` draws all three splits anew")
            }
            _ => failure,
        }
    })?;
    let json = serde_json::to_string_pretty(&plan).map_err(|e| Failure::new(e.to_string()))?;
    publish::write(&args.output, format!("{json}\n").as_bytes())
        .map_err(|error| Failure::io(&args.output, "write", &error))?;
    outln!("{}", args.output.display());
    print(&plan, &store.drawable(&SplitName::ALL)?);
    Ok(ExitCode::SUCCESS)
}

/// Size and mean label of each split of each fold.
fn print(plan: &SplitPlan, segments: &[Drawable]) {
    let labels: BTreeMap<&str, f32> =
        segments.iter().map(|segment| (segment.id.as_str(), segment.label)).collect();
    for (fold_idx, fold) in plan.folds.iter().enumerate() {
        let splits = SplitName::ALL.into_iter().filter_map(|name| Some((name, fold.get(&name)?)));
        let shown: Vec<String> = splits
            .map(|(name, ids)| {
                let sum: f32 = ids.iter().filter_map(|id| labels.get(id.as_str())).sum();
                format!("{name} {} (mean label {:+.2})", ids.len(), sum / ids.len().max(1) as f32)
            })
            .collect();
        outln!("  fold {fold_idx}  {}", shown.join("  "));
    }
    outln!("  store   {}", plan.store_digest);
}
