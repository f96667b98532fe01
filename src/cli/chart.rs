//! Label classes as text: one row per class, one column per split, each with a bar.

use std::fmt::Write;

use crate::corpus::SplitName;
use crate::corpus::balance::{Balance, ClassCount};

/// Width of non-terminals, and maximum width of terminals, in columns.
const WIDTHS: [usize; 2] = [80, 132];

/// Minimum useful length of a bar: with less space, splits are stacked.
const SHORTEST_BAR: usize = 5;

/// Columns of a count and a share: `  1284  43.0% `.
const NUMBERS: usize = 14;

/// Columns of the output.
pub(super) fn width() -> usize {
    let [otherwise, most] = WIDTHS;
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    terminal.map_or(otherwise, |(terminal_size::Width(columns), _)| usize::from(columns).min(most))
}

/// Draws all binning schemes within `width` columns, or slightly more if the numbers need it.
pub(super) fn draw(balance: &Balance, width: usize) -> String {
    let mut splits: Vec<(SplitName, u64)> = Vec::new();
    let mut divisions: Vec<&str> = Vec::new();
    for class in &balance.classes {
        if splits.iter().all(|(name, _)| *name != class.split) {
            let of_first =
                |other: &&ClassCount| (other.split, &other.bins) == (class.split, &class.bins);
            let n_segments = balance.classes.iter().filter(of_first).map(|other| other.count).sum();
            splits.push((class.split, n_segments));
        }
        if !divisions.contains(&&*class.bins) {
            divisions.push(&class.bins);
        }
    }
    let n_segments: u64 = splits.iter().map(|(_, count)| count).sum();
    let mut text =
        format!("{}: {}, {n_segments} segments\n", balance.path.display(), balance.dataset);
    let name_width =
        balance.classes.iter().map(|class| class.labels.chars().count()).max().unwrap_or(0);
    let bar_width = |n_columns: usize| {
        let each = width.saturating_sub(2 + name_width) / n_columns;
        each.saturating_sub(NUMBERS)
    };
    let n_columns = (1..=splits.len()).rev().find(|n| bar_width(*n) >= SHORTEST_BAR).unwrap_or(1);
    let layout = Layout { name_width, bar_width: bar_width(n_columns) };
    for columns in splits.chunks(n_columns) {
        // Writing to a string does not fail.
        let _ = layout.columns(&mut text, balance, columns, &divisions);
    }
    text
}

struct Layout {
    name_width: usize,
    bar_width: usize,
}

impl Layout {
    fn columns(
        &self,
        text: &mut String,
        balance: &Balance,
        columns: &[(SplitName, u64)],
        divisions: &[&str],
    ) -> std::fmt::Result {
        let mut heading = " ".repeat(2 + self.name_width);
        for (split, n_segments) in columns {
            let title = format!("{split} {n_segments}");
            write!(heading, "  {title:<0$}", NUMBERS - 2 + self.bar_width)?;
        }
        writeln!(text, "\n{}", heading.trim_end())?;
        for division in divisions {
            let classes: Vec<&ClassCount> =
                balance.classes.iter().filter(|class| class.bins == *division).collect();
            let largest = classes.iter().map(|class| class.share).fold(0.0, f64::max);
            writeln!(text, "{division}")?;
            let mut done: Vec<i8> = Vec::new();
            for row in &classes {
                if done.contains(&row.class) {
                    continue;
                }
                done.push(row.class);
                let mut line = format!("  {:<1$}", row.labels, self.name_width);
                for (split, _) in columns {
                    let is_here =
                        |other: &&&ClassCount| (other.split, other.class) == (*split, row.class);
                    line.push_str(&match classes.iter().find(is_here) {
                        Some(class) => self.cell(class, largest),
                        None => " ".repeat(NUMBERS + self.bar_width),
                    });
                }
                writeln!(text, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }

    fn cell(&self, class: &ClassCount, largest: f64) -> String {
        let bar = bar(class.share / largest.max(f64::MIN_POSITIVE), self.bar_width);
        format!("{:>6} {:>5.1}% {bar:<2$}", class.count, 100.0 * class.share, self.bar_width)
    }
}

/// A bar in eighths of a column: empty for zero or without space, otherwise at least an eighth.
fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let n_eighths = (share * 8.0 * width as f64).round() as usize;
    let n_eighths = if share > 0.0 && width > 0 { n_eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(n_eighths / 8), EIGHTHS[n_eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::balance::count;
    use crate::corpus::label::{Bins, LabelScale};

    fn balance() -> Balance {
        let splits = [(SplitName::Train, &[0, 1, 1, 1, 1, 1, -1, 1][..]), (SplitName::Test, &[0])];
        let counted =
            splits.map(|(split, classes)| count(split, LabelScale::Cmu, Bins::Acc2Non0, classes));
        Balance {
            path: "a.h5".into(),
            dataset: "CMU-MOSI".into(),
            digest: String::new(),
            classes: counted.concat(),
        }
    }

    #[test]
    fn splits_stand_side_by_side_where_there_is_room() {
        let expected = "\
a.h5: CMU-MOSI, 9 segments

            train 8                  test 1
acc_2_non0
  below 0      1  12.5% █▍              1 100.0% ███████████
  above 0      6  75.0% ████████▎       0   0.0%
  excluded     1  12.5% █▍              0   0.0%
";
        assert_eq!(draw(&balance(), 60), expected);
    }

    #[test]
    fn narrow_lines_hold_one_split_and_the_numbers_at_least() {
        let expected = "\
a.h5: CMU-MOSI, 9 segments

            train 8
acc_2_non0
  below 0      1  12.5%
  above 0      6  75.0%
  excluded     1  12.5%

            test 1
acc_2_non0
  below 0      1 100.0%
  above 0      0   0.0%
  excluded     0   0.0%
";
        assert_eq!(draw(&balance(), 10), expected);
        let lines = draw(&balance(), 31);
        assert!(lines.lines().skip(1).all(|line| line.chars().count() <= 31), "{lines}");
    }
}
