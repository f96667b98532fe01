//! `almt-data scan`: reports what a pickle would do when loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::{Serialize, Serializer};

use super::advice::hint;
use super::limits::LimitsArgs;
use super::packed::PackedArgs;
use super::progress::Bars;
use super::{Failure, output};
use crate::packed::{self, Scanned};
use crate::pickle::{Scan, ScanLine};
use crate::progress::Progress;
use crate::signature::archive::shown;
use crate::words::human_bytes;

/// Report what pickles would import and call, without loading them; exit code 1 if anything is unsafe
#[derive(Args)]
pub struct ScanArgs {
    /// Pickles of any kind
    #[arg(required = true, value_name = "PICKLE")]
    pickles: Vec<PathBuf>,
    /// Print one JSON object per pickle and line, as described by `almt-data schema scan`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    packed: PackedArgs,
    #[command(flatten)]
    limits: LimitsArgs,
}

/// What one pickle would do.
pub struct ScanReport {
    path: PathBuf,
    entry: Option<String>,
    scan: Scan,
}

/// As a line of `--json`.
impl Serialize for ScanReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ScanReport { path, entry, scan } = self;
        let file = path.display().to_string();
        ScanLine { file, entry: entry.clone(), scan }.serialize(serializer)
    }
}

/// Reports on each file, up to the first that cannot be scanned.
pub fn run(args: ScanArgs, progress: &dyn Progress) -> Result<Vec<ScanReport>, Failure> {
    reports(args, progress).collect()
}

/// Reports on one file after another, as the iterator advances.
fn reports(
    args: ScanArgs,
    progress: &dyn Progress,
) -> impl Iterator<Item = Result<ScanReport, Failure>> {
    let opening = args.packed.opening(&args.limits);
    args.pickles.into_iter().map(move |path| {
        let Scanned { mut scan, entry } = packed::scan(&path, &opening, progress)?;
        if let Some(refusal) = &mut scan.refusal {
            refusal.hint = refusal.advice.first().map(hint);
        }
        Ok(ScanReport { path, entry, scan })
    })
}

/// Prints the report on each file.
pub fn scan(args: ScanArgs) -> ExitCode {
    let is_json = args.json;
    let mut all_allowed = true;
    let bars = Bars::default();
    for report in reports(args, &bars) {
        bars.clear();
        match report {
            Ok(report) => {
                all_allowed &= report.scan.allowed;
                if is_json {
                    // Text and numbers always have a JSON representation.
                    outln!("{}", serde_json::to_string(&report).unwrap_or_default());
                } else {
                    let ScanReport { path, entry, scan } = &report;
                    output::write(format_args!("{}", text(path, entry.as_deref(), scan)));
                }
            }
            Err(failure) => {
                all_allowed = false;
                failure.print();
            }
        }
    }
    if all_allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(path: &Path, entry: Option<&str>, scan: &Scan) -> String {
    let mut text = match &scan.refusal {
        None => format!("{}: allowed\n", path.display()),
        Some(refusal) => {
            let hint = refusal.hint.iter().map(|hint| format!("  hint: {hint}\n"));
            format!(
                "{}: REFUSED: {}\n{}",
                path.display(),
                refusal.message,
                hint.collect::<String>()
            )
        }
    };
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<8}  {value}\n"));
    let many = match scan.n_pickles {
        1 => String::new(),
        n => format!(", {n} pickles one after another"),
    };
    let (size, n_opcodes) = (human_bytes(scan.size), scan.n_opcodes);
    line("pickle", &format!("protocol {}, {size}, {n_opcodes} instructions{many}", scan.protocol));
    if let Some(entry) = entry {
        line("", &format!("within the file: {}", shown(entry)));
    }
    if scan.n_trailing_bytes > 0 {
        line("", &format!("followed by {} more bytes", scan.n_trailing_bytes));
    }
    if let Some(unread) = &scan.unread {
        line("unread", &format!("from byte {} on: {}", unread.offset, unread.reason));
    }
    let globals = global_lines(scan);
    for (idx, global) in globals.iter().enumerate() {
        line(if idx == 0 { "imports" } else { "" }, global);
    }
    if globals.is_empty() {
        line("imports", "none");
    }
    let of = |names: &[&str]| {
        let mut counts: Vec<(&str, u64)> = scan
            .opcodes
            .iter()
            .filter(|(name, _)| names.is_empty() || names.contains(name))
            .map(|(name, count)| (*name, *count))
            .collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
    };
    let calls = of(&["REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"]);
    line("calls", if calls.is_empty() { "none".into() } else { calls.join(", ") }.as_str());
    for (idx, counts) in of(&[]).chunks(6).enumerate() {
        line(if idx == 0 { "opcodes" } else { "" }, &counts.join(", "));
    }
    text
}

/// One line per name, refused ones first, with its first place.
fn global_lines(scan: &Scan) -> Vec<String> {
    // Files may contain a flood of names; only the first are shown.
    const SHOWN: usize = 40;
    let mut names: BTreeMap<(bool, &str), (u64, u64)> = BTreeMap::new();
    for global in &scan.globals {
        let name = global.name.as_deref().unwrap_or(match global.opcode {
            "STACK_GLOBAL" => "(computed name)",
            opcode => opcode,
        });
        names.entry((global.allowed, name)).or_insert((0, global.offset)).0 += 1;
    }
    let width = names.keys().take(SHOWN).map(|(_, name)| name.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|((allowed, name), (count, offset))| {
            let verdict = if *allowed { "allowed" } else { "REFUSED" };
            let times = if *count > 1 { format!(", {count} times") } else { String::new() };
            format!("{name:<width$}  {verdict}  byte {offset}{times}")
        })
        .collect();
    if names.len() > SHOWN {
        lines.push(format!("... and {} more names", names.len() - SHOWN));
    }
    let n_unlisted = scan.n_globals.saturating_sub(scan.globals.len() as u64);
    if n_unlisted > 0 {
        lines.push(format!("... and {n_unlisted} more imports"));
    }
    lines
}
