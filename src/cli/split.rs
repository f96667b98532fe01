//! `almt-data split`: other splits of a store than its own, as a file beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;

use super::Failure;
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
    #[arg(value_parser = clap::value_parser!(u16).range(3..=1000))]
    k_fold: Option<u16>,
    /// One fold with these shares of train, valid and test, such as 0.7,0.1,0.2
    #[arg(long, group = "method", value_name = "TRAIN,VALID,TEST")]
    ratio: Option<Shares>,
    /// The folds of another split manifest, for a store of the same segments
    #[arg(long, group = "method", value_name = "JSON")]
    from_manifest: Option<PathBuf>,
    /// What stays together: video or segment
    #[arg(long, default_value_t = SplitBy::Video, conflicts_with = "from_manifest")]
    by: SplitBy,
    /// Seed of what is left to chance
    #[arg(long, default_value_t = 1, conflicts_with = "from_manifest")]
    seed: u64,
    /// Where the split manifest goes
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
}

/// Shares of train, valid and test: none negative, train and test above zero.
#[derive(Debug, Clone, Copy)]
struct Shares([f64; 3]);

impl FromStr for Shares {
    type Err = String;

    fn from_str(text: &str) -> Result<Shares, String> {
        let shares: Vec<f64> = text
            .split(',')
            .map(|share| share.trim().parse().map_err(|_| format!("`{share}` is no number")))
            .collect::<Result<_, _>>()?;
        let [train, valid, test] = <[f64; 3]>::try_from(shares)
            .map_err(|found| format!("expected three shares, found {}", found.len()))?;
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let possible = train > 0.0 && test > 0.0 && [train, valid, test].into_iter().all(is_share);
        if !possible || (train + valid + test - 1.0).abs() > 1e-6 {
            return Err("shares lie in 0 to 1, train and test above 0, and sum to 1".into());
        }
        Ok(Shares([train, valid, test]))
    }
}

/// Writes one split manifest.
pub fn split(args: SplitArgs) -> Result<ExitCode, Failure> {
    if args.output.exists() && !args.overwrite {
        return Err(Failure::at(&args.output, "exists already").hint("`--overwrite` replaces it"));
    }
    let store = Store::open(&args.store)?;
    let manifest = store.manifest();
    let segments = segments(&store)?;
    let failed = |error: PlanError| Failure::new(error.to_string());
    let plan = match (args.k_fold, args.ratio, &args.from_manifest) {
        (Some(k), ..) => draw::k_fold(manifest, &segments, k.into(), args.by, args.seed),
        (_, Some(Shares(shares)), _) => {
            draw::ratio(manifest, &segments, shares, args.by, args.seed)
        }
        (_, _, Some(other)) => {
            let path = other;
            let other = SplitPlan::load(path).map_err(failed)?;
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
    let plan = plan.map_err(|error| Failure::at(&args.store, error))?;
    let json = serde_json::to_string_pretty(&plan).map_err(|e| Failure::new(e.to_string()))?;
    publish::write(&args.output, format!("{json}\n").as_bytes())
        .map_err(|error| Failure::at(&args.output, format!("cannot write: {error}")))?;
    outln!("{}", args.output.display());
    print(&plan, &segments);
    Ok(ExitCode::SUCCESS)
}

fn segments(store: &Store) -> Result<Vec<Drawable>, Failure> {
    let mut segments = Vec::new();
    for split in &store.manifest().splits {
        let labels = store.labels(split.name)?;
        let rows = split.ids.iter().zip(labels);
        segments.extend(rows.map(|(id, label)| Drawable { id: id.clone(), label }));
    }
    Ok(segments)
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
