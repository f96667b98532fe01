//! Drawings as separate SVG files: title, explanation, legend, panels.
//!
//! The file contains its style, for light and dark mode: that of the page, with every variable
//! substituted, because programs other than browsers do not support variables.

use std::fmt::Write;

use super::chart::{HEIGHT, STYLE, WIDTH};
use super::html::Text;

/// Styles used only in files.
const FILE_STYLE: &str = "
.chart .ground { fill: var(--panel); }
.chart .muted { fill: var(--muted); }
.chart .heading { font-size: 14px; font-weight: 600; }
.chart .name { font-size: 17px; font-weight: 600; }
";

/// Space around the figure, between panels, and for their headings.
const MARGIN: f64 = 24.0;
const GAP: f64 = 28.0;
const LINE: f64 = 19.0;
const HEADING: f64 = 26.0;

/// Appearance of a colour in a drawing and its legend.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    /// A line.
    Line,
    /// Dots.
    Dots,
    /// A ring.
    Ring,
}

/// A file under construction.
pub(crate) struct Figure {
    /// Its title.
    pub title: String,
    /// Explanation for readers.
    pub about: String,
    /// Legend entries: mark, class and meaning.
    pub legend: Vec<(Mark, &'static str, String)>,
    /// Drawings of size [`EXTENTS`] with their headings.
    pub panels: Vec<(String, String)>,
    /// Number of panels per row.
    pub n_columns: usize,
}

/// Width and height of a panel.
pub(super) const EXTENTS: [f64; 2] = [WIDTH, HEIGHT];

impl Figure {
    /// The file.
    pub fn finish(self) -> String {
        let n_columns = self.n_columns.clamp(1, self.panels.len().max(1));
        let width = 2.0 * MARGIN + n_columns as f64 * (EXTENTS[0] + GAP) - GAP;
        let mut body = String::new();
        let mut y = MARGIN + 12.0;
        // Writing to a string does not fail.
        let _ = writeln!(
            body,
            "<text class=\"name\" x=\"{MARGIN}\" y=\"{y}\">{}</text>",
            Text(&self.title)
        );
        // Characters at 13 pixels are less than 7 wide on average.
        for line in wrapped(&self.about, ((width - 2.0 * MARGIN) / 6.8) as usize) {
            y += LINE;
            let _ = writeln!(
                body,
                "<text class=\"muted\" x=\"{MARGIN}\" y=\"{y}\">{}</text>",
                Text(line)
            );
        }
        self.write_legend(&mut body, &mut y, width);
        y += 14.0;
        for row in self.panels.chunks(n_columns) {
            for (column, (heading, drawing)) in row.iter().enumerate() {
                let x = MARGIN + column as f64 * (EXTENTS[0] + GAP);
                let (heading_y, top) = (y + 14.0, y + HEADING);
                let _ = writeln!(
                    body,
                    "<text class=\"heading\" x=\"{x}\" y=\"{heading_y}\">{}</text>\n\
                     <g transform=\"translate({x} {top})\">\n{drawing}</g>",
                    Text(heading)
                );
            }
            y += HEADING + EXTENTS[1] + GAP;
        }
        let height = y - GAP + MARGIN;
        format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} \
             {height}\" width=\"{width}\" height=\"{height}\" font-family=\"system-ui, 'Segoe UI', \
             Roboto, 'Noto Sans', sans-serif\" role=\"img\" aria-label=\"{0}\">\n\
             <title>{0}</title>\n<style>\n{1}</style>\n\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n",
            Text(&self.title),
            style()
        )
    }

    fn write_legend(&self, body: &mut String, y: &mut f64, width: f64) {
        let mut x = width;
        for (mark, class, name) in &self.legend {
            let extent = 52.0 + 7.2 * name.chars().count() as f64;
            if x + extent > width - MARGIN {
                (x, *y) = (MARGIN, *y + LINE + 4.0);
            }
            let middle = *y - 4.5;
            let _ = match mark {
                Mark::Line => {
                    writeln!(body, "<path class=\"line {class}\" d=\"M{x} {middle}h24\"/>")
                }
                Mark::Dots => {
                    let x = x + 12.0;
                    writeln!(
                        body,
                        "<path class=\"dots {class}\" style=\"stroke-opacity:1\" d=\"M{x} \
                         {middle}h0\"/>"
                    )
                }
                Mark::Ring => {
                    let x = x + 12.0;
                    writeln!(
                        body,
                        "<circle class=\"ring {class}\" cx=\"{x}\" cy=\"{middle}\" r=\"4.5\"/>"
                    )
                }
            };
            let (text_x, name) = (x + 32.0, Text(name));
            let _ = writeln!(body, "<text x=\"{text_x}\" y=\"{y}\">{name}</text>");
            x += extent;
        }
    }
}

/// Wraps text at word boundaries into lines of at most `n_letters` characters.
fn wrapped(text: &str, n_letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= n_letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// Values of the variables of a block `{ --name: value; … }`.
fn palette(block: &str) -> Vec<(&str, &str)> {
    let declarations = block.rsplit('{').next().unwrap_or_default().split(';');
    let pairs = declarations.filter_map(|declaration| declaration.trim().split_once(": "));
    pairs.collect()
}

/// The style with all variables substituted: for light mode, then the differences in dark mode.
fn style() -> String {
    // A palette, the dark one in its media query, then rules.
    let mut parts = STYLE.splitn(4, '}');
    let mut next = || parts.next().unwrap_or_default();
    let (light, dark, _) = (palette(next()), palette(next()), next());
    let all = format!("{}{FILE_STYLE}", next());
    let rules: Vec<(&str, Vec<&str>)> = all
        .split('}')
        .filter_map(|rule| rule.split_once('{'))
        .map(|(selector, body)| {
            let declarations = body.split(';').map(str::trim).filter(|text| !text.is_empty());
            (selector.trim(), declarations.collect())
        })
        .collect();
    // Classes that represent a colour, `.train { --c: var(--train); }`.
    let colours: Vec<(&str, &str)> = rules
        .iter()
        .filter_map(|(class, body)| Some((*class, body.first()?.strip_prefix("--c: ")?)))
        .collect();
    let write_out = |value: &str, palette: &[(&str, &str)]| {
        palette.iter().fold(value.to_owned(), |value, (name, colour)| {
            value.replace(&format!("var({name})"), colour)
        })
    };
    let mut text = String::new();
    for (is_dark, palette) in [(false, &light), (true, &dark)] {
        if is_dark {
            text.push_str("@media (prefers-color-scheme: dark) {\n");
        }
        for (selector, body) in &rules {
            for declaration in body.iter().filter(|text| !text.starts_with("--c: ")) {
                let written: Vec<(String, String)> = match declaration.contains("var(--c)") {
                    false => vec![((*selector).into(), (*declaration).into())],
                    true => colours
                        .iter()
                        .map(|(class, value)| {
                            let selector = format!("{selector}{class}");
                            (selector, declaration.replace("var(--c)", value))
                        })
                        .collect(),
                };
                for (selector, declaration) in written {
                    // Only colours differ in dark mode.
                    if !is_dark || declaration.contains("var(") {
                        let declaration = write_out(&declaration, palette);
                        text.push_str(&format!("{selector} {{ {declaration}; }}\n"));
                    }
                }
            }
        }
        if is_dark {
            text.push_str("}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_of_a_file_has_no_variables_and_both_grounds() {
        let style = style();
        assert!(!style.contains("var(") && !style.contains("--"), "{style}");
        let (light, dark) = style.split_once("@media (prefers-color-scheme: dark)").unwrap();
        assert!(light.contains(".chart .line.train { stroke: #7a4fa8; }"), "{light}");
        assert!(dark.contains(".chart .line.train { stroke: #bd9be6; }"), "{dark}");
        assert!(light.contains(".chart .ground { fill: #ffffff; }"), "{light}");
        assert!(light.contains("stroke-width: 2;") && !dark.contains("stroke-width"), "{dark}");
        assert_eq!(style.matches('{').count(), style.matches('}').count());
    }

    #[test]
    fn panels_stand_in_rows_and_words_are_no_markup() {
        let figure = Figure {
            title: "a < b".into(),
            about: "word ".repeat(40),
            legend: vec![(Mark::Line, "train", "one & two".into())],
            panels: (0..3).map(|idx| (format!("panel {idx}"), "<svg/>\n".into())).collect(),
            n_columns: 2,
        };
        let svg = figure.finish();
        assert!(svg.contains("aria-label=\"a &lt; b\"") && svg.contains("one &amp; two"), "{svg}");
        assert_eq!(svg.matches("translate(24 ").count(), 2, "{svg}");
        assert_eq!(svg.matches("translate(572 ").count(), 1, "{svg}");
        assert_eq!(svg.matches("class=\"muted\"").count(), 2, "{svg}");
    }
}
