//! Confusion matrices, one per division of the label range.

use std::fmt::Write;

use super::html::{Text, count, minus};
use super::{RunReport, tables};
use crate::corpus::label::{BinScheme, Bins, EXCLUDED};
use crate::run::predictions::Prediction;

/// The section of matrices.
pub(super) fn section(report: &RunReport) -> String {
    let mut html = String::from("<section id=\"confusion\">\n<h2>Confusion matrices</h2>\n");
    // Writing to a string does not fail.
    let _ = write_section(&mut html, report);
    html.push_str("</section>\n");
    html
}

fn write_section(html: &mut String, report: &RunReport) -> std::fmt::Result {
    let predictions = report.predictions();
    let (Some(dataset), false) = (report.dataset(), predictions.iter().all(Vec::is_empty)) else {
        return writeln!(html, "<p>No run is complete yet.</p>");
    };
    let over = match predictions.len() {
        1 => String::new(),
        n => format!(", summed over {}", count(n, "run", "runs")),
    };
    writeln!(
        html,
        "<p>Of the {} split{over}. Rows are labels, columns predictions; below each count is its \
         share of the row.</p>\n<div class=\"matrices\">",
        tables::split_words(report.split())
    )?;
    let scheme = dataset.bin_scheme();
    for bins in scheme.bins() {
        let matrix = matrix(scheme, *bins, predictions.iter().flatten().copied());
        write_matrix(html, scheme, *bins, &matrix)?;
    }
    writeln!(html, "</div>")
}

/// Counts, `[n_classes, n_classes]`: of each class of labels, how many were predicted as which.
fn matrix<'a>(
    scheme: BinScheme,
    bins: Bins,
    rows: impl Iterator<Item = &'a Prediction>,
) -> Vec<Vec<u64>> {
    let n_classes = scheme.class_names(bins).len();
    let mut matrix = vec![vec![0; n_classes]; n_classes];
    for row in rows {
        let label = scheme.class(bins, row.label_or_nan());
        let prediction = match scheme.class(bins, row.prediction) {
            // Only the label decides who takes part; a prediction of zero is not positive, as in
            // the metric.
            EXCLUDED if row.prediction == 0.0 => 0,
            class => class,
        };
        let (Ok(label), Ok(prediction)) = (usize::try_from(label), usize::try_from(prediction))
        else {
            continue;
        };
        matrix[label][prediction] += 1;
    }
    matrix
}

fn write_matrix(
    html: &mut String,
    scheme: BinScheme,
    bins: Bins,
    matrix: &[Vec<u64>],
) -> std::fmt::Result {
    let names: Vec<String> =
        scheme.class_names(bins).iter().map(|name| Text(minus(&short(name))).to_string()).collect();
    let total: u64 = matrix.iter().flatten().sum();
    let right: u64 = matrix.iter().enumerate().map(|(class, row)| row[class]).sum();
    let n = names.len();
    writeln!(
        html,
        "<figure class=\"classes-{n}\">\n<h3>{}</h3>\n<div class=\"scroll\" tabindex=\"0\"><table \
         class=\"matrix\">\n<thead><tr><td></td><th colspan=\"{n}\" scope=\"colgroup\">predicted\
         </th><td></td></tr>\n<tr><th>label</th>",
        title(bins)
    )?;
    for name in &names {
        write!(html, "<th scope=\"col\">{name}</th>")?;
    }
    writeln!(html, "<th scope=\"col\">all</th></tr></thead>\n<tbody>")?;
    for (label, row) in matrix.iter().enumerate() {
        let of_label: u64 = row.iter().sum();
        write!(html, "<tr><th scope=\"row\">{}</th>", names[label])?;
        for (prediction, n_here) in row.iter().enumerate() {
            let share = percent(*n_here, of_label);
            let class = if label == prediction { " class=\"right\"" } else { "" };
            let shown = if of_label == 0 { "–".into() } else { format!("{share:.0}%") };
            write!(
                html,
                "<td{class} style=\"--share:{share:.0}%\">{n_here}<small>{shown}</small></td>"
            )?;
        }
        writeln!(html, "<td class=\"all\">{of_label}</td></tr>")?;
    }
    write!(html, "<tr><th scope=\"row\">all</th>")?;
    for prediction in 0..n {
        let predicted: u64 = matrix.iter().map(|row| row[prediction]).sum();
        write!(html, "<td class=\"all\">{predicted}</td>")?;
    }
    writeln!(
        html,
        "<td class=\"all\">{total}</td></tr>\n</tbody></table></div>\n<figcaption>{right} of \
         {total} on the diagonal: {:.1}%</figcaption>\n</figure>",
        percent(right, total)
    )
}

/// The name of a class with signs for words, so that columns stay narrow.
fn short(name: &str) -> String {
    if let Some(limit) = name.strip_suffix(" and below") {
        format!("≤ {limit}")
    } else if let Some(limit) = name.strip_suffix(" and above") {
        format!("≥ {limit}")
    } else if let Some(limit) = name.strip_prefix("below ") {
        format!("< {limit}")
    } else if let Some(limit) = name.strip_prefix("above ") {
        format!("> {limit}")
    } else {
        name.into()
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn title(bins: Bins) -> &'static str {
    match bins {
        Bins::Acc2Has0 => "Acc-2, has0: negative or not",
        Bins::Acc2Non0 => "Acc-2, non0: no labels of zero",
        Bins::Acc2 => "Acc-2",
        Bins::Acc3 => "Acc-3",
        Bins::Acc5 => "Acc-5",
        Bins::Acc7 => "Acc-7",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::SplitName;

    #[test]
    fn no_name_of_a_class_is_in_words() {
        for scheme in [BinScheme::Cmu, BinScheme::Sims] {
            for name in scheme.bins().iter().flat_map(|bins| scheme.class_names(*bins)) {
                assert!(!short(name).contains(char::is_alphabetic), "{name}");
            }
        }
        assert_eq!(["-2 and below", "above 0", "+1"].map(short), ["≤ -2", "> 0", "+1"]);
    }

    #[test]
    fn the_label_alone_excludes_and_a_prediction_of_zero_is_not_positive() {
        let row = |label, prediction| {
            let (id, split, label) = (String::new(), SplitName::Test, Some(label));
            Prediction { id, split, label, prediction, is_cut: false }
        };
        let rows = [row(0.0, 1.0), row(1.0, 0.0), row(1.0, 2.0), row(-1.0, f32::NAN)];
        let of = |bins| matrix(BinScheme::Cmu, bins, rows.iter());
        assert_eq!(of(Bins::Acc2Non0), [[0, 0], [1, 1]]);
        assert_eq!(of(Bins::Acc2Has0), [[0, 0], [0, 3]]);
    }
}
