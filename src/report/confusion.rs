//! Confusion matrices, one per binning scheme.

use std::fmt::Write;

use super::html::{Text, count, minus};
use super::{RunReport, tables};
use crate::corpus::label::{Bins, LabelScale};
use crate::run::confusion;

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
    let (Some(scale), false) = (report.scale(), predictions.iter().all(Vec::is_empty)) else {
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
    for bins in scale.bins().iter() {
        let pairs = predictions.iter().flatten().map(|row| (row.label_or_nan(), row.prediction));
        write_matrix(html, scale, *bins, &confusion::counts(scale, *bins, pairs))?;
    }
    writeln!(html, "</div>")
}

fn write_matrix(
    html: &mut String,
    scale: LabelScale<'_>,
    bins: Bins,
    matrix: &[Vec<u64>],
) -> std::fmt::Result {
    let names: Vec<String> =
        scale.class_names(bins).iter().map(|name| Text(minus(&short(name))).to_string()).collect();
    let total: u64 = matrix.iter().flatten().sum();
    let right: u64 = matrix.iter().enumerate().map(|(class, row)| row[class]).sum();
    let n = names.len();
    writeln!(
        html,
        "<figure class=\"classes-{n}\">\n<h3>{}</h3>\n<div class=\"scroll\" tabindex=\"0\"><table \
         class=\"matrix\">\n<thead><tr><td></td><th colspan=\"{n}\" scope=\"colgroup\">predicted\
         </th><td></td></tr>\n<tr><th>label</th>",
        title(scale, bins)
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

/// A class name with symbols in place of words, so that columns stay narrow.
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

fn title(scale: LabelScale<'_>, bins: Bins) -> String {
    match (scale, bins) {
        (LabelScale::Own(_), Bins::Acc2Has0) => "Acc-2, has0: below neutral or not".into(),
        (LabelScale::Own(_), Bins::Acc2Non0) => "Acc-2, non0: no neutral labels".into(),
        (_, Bins::Acc2Has0) => "Acc-2, has0: negative or not".into(),
        (_, Bins::Acc2Non0) => "Acc-2, non0: no labels of zero".into(),
        (LabelScale::Own(_), bins) => Text(bins.name()).to_string(),
        (_, bins) => bins.name().replace("acc_", "Acc-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_class_is_in_words() {
        for scale in [LabelScale::Cmu, LabelScale::Sims] {
            for name in scale.bins().iter().flat_map(|bins| scale.class_names(*bins)) {
                assert!(!short(&name).contains(char::is_alphabetic), "{name}");
            }
        }
        assert_eq!(["-2 and below", "above 0", "+1"].map(short), ["≤ -2", "> 0", "+1"]);
    }
}
