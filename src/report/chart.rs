//! Charts as SVG. The style sheet `chart.css` sets colours, line widths and fonts by class, so that a
//! chart is readable in light and dark mode, on a page or as a separate file.

use std::fmt::Write;

use super::html::{self, Text};

/// Size of a chart in units of its view box; the page scales it.
pub(super) const WIDTH: f64 = 520.0;
pub(super) const HEIGHT: f64 = 320.0;
/// Space for tick labels and titles, which are larger on small screens.
const LEFT: f64 = 88.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 54.0;

/// Larger values are not drawn: their sums may overflow.
const LARGEST: f64 = 1e100;

/// Styles of the charts' classes.
pub(super) const STYLE: &str = include_str!("chart.css");

/// An axis: its title, range and ticks.
pub(crate) struct Axis {
    title: String,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
    /// Class of the tick labels: class names are longer than numbers.
    tick_class: &'static str,
    /// Whether grid lines are drawn at its ticks; cells have edges of their own.
    has_grid: bool,
}

impl Axis {
    fn new(title: &str, [low, high]: [f64; 2], ticks: Vec<(f64, String)>) -> Axis {
        Axis { title: title.into(), low, high, ticks, tick_class: "tick", has_grid: true }
    }

    /// From slightly below the minimum of some values to slightly above the maximum, but not across
    /// zero.
    pub(crate) fn around(title: &str, values: impl IntoIterator<Item = f64>) -> Axis {
        let (low, high) = range(values);
        let step = nice_step(high - low, 6);
        let pad = 0.04 * (high - low);
        let low = if low >= 0.0 { (low - pad).max(0.0) } else { low - pad };
        let high = if high <= 0.0 { (high + pad).min(0.0) } else { high + pad };
        Axis::new(title, [low, high], ticks(low, high, step))
    }

    /// From the minimum to the maximum of some whole numbers.
    pub(crate) fn counting(title: &str, values: impl IntoIterator<Item = f64>) -> Axis {
        let (low, high) = range(values);
        let step = nice_step(high - low, 8).max(1.0);
        Axis::new(title, [low, high], ticks(low, high, step))
    }

    /// One position per class, class `i` at `i`.
    pub(crate) fn classes(title: &str, names: &[&str]) -> Axis {
        let ticks = names.iter().enumerate().map(|(idx, name)| (idx as f64, html::minus(name)));
        let high = names.len() as f64 - 0.5;
        let axis = Axis::new(title, [-0.5, high], ticks.collect());
        Axis { tick_class: "tick class", ..axis }
    }

    /// One position per token, numbered from 1, token `i` at `i`, with as many labels as are readable.
    pub(super) fn tokens(title: &str, n: usize) -> Axis {
        let step = nice_step(n as f64, 16).max(1.0) as usize;
        let ticks = (0..n).filter(|idx| n <= 16 || (idx + 1) % step == 0);
        let ticks = ticks.map(|idx| (idx as f64, (idx + 1).to_string())).collect();
        let high = n as f64 - 0.5;
        Axis { has_grid: false, ..Axis::new(title, [-0.5, high], ticks) }
    }

    /// The same axis, reversed.
    pub(super) fn reversed(self) -> Axis {
        Axis { low: self.high, high: self.low, ..self }
    }

    /// Relative position of a value between the ends of the axis, 0 to 1.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

/// The range of the drawable values, never empty.
fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let drawable = values.into_iter().filter(|value| value.abs() < LARGEST);
    let (low, high) = drawable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    match (low <= high, high - low > 1e-9 * high.abs().max(low.abs())) {
        (false, _) => (0.0, 1.0),
        (_, true) => (low, high),
        (_, false) if high == 0.0 => (-0.5, 0.5),
        (_, false) => (low - 0.5 * low.abs(), high + 0.5 * high.abs()),
    }
}

/// 1, 2 or 5 times a power of ten, so that `extent` has at most `n` such steps.
pub(super) fn nice_step(extent: f64, n: usize) -> f64 {
    let least = extent / n as f64;
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

fn ticks(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    const MOST: usize = 12;
    let first = (low / step - 1e-9).ceil();
    (0..MOST)
        .map(|idx| (first + idx as f64) * step)
        .take_while(|value| *value <= high + 1e-9 * step)
        .map(|value| (value, tick_label(value, step, low.abs().max(high.abs()))))
        .collect()
}

/// As many digits as distinguish neighbouring ticks; powers of ten if those would be too many.
fn tick_label(value: f64, step: f64, largest: f64) -> String {
    let place = |value: f64| (value.abs().log10() + 1e-9).floor() as i32;
    if value.abs() < 1e-9 * step {
        return "0".into();
    }
    if (1e-3..1e6).contains(&largest) {
        return html::decimals(value, usize::try_from(-place(step)).unwrap_or(0));
    }
    let n_digits = usize::try_from(place(value) - place(step)).unwrap_or(0);
    let text = format!("{value:.n_digits$e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    html::minus(&format!("{digits}e{power}"))
}

/// A chart under construction. Classes name the meaning of a mark, such as `valid`.
pub(crate) struct Chart {
    x: Axis,
    y: Axis,
    marks: String,
}

impl Chart {
    /// An empty chart.
    pub(crate) fn new(x: Axis, y: Axis) -> Chart {
        Chart { x, y, marks: String::new() }
    }

    fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let right = WIDTH - RIGHT;
        let bottom = HEIGHT - BOTTOM;
        let place =
            (LEFT + self.x.share(x) * (right - LEFT), bottom - self.y.share(y) * (bottom - TOP));
        (place.0.abs() < LARGEST && place.1.abs() < LARGEST).then_some(place)
    }

    fn add(&mut self, mark: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.marks.write_fmt(mark);
    }

    /// A line through points, interrupted at undrawable ones; `name` is its tooltip.
    pub(crate) fn line(&mut self, class: &str, points: &[(f64, f64)], name: &str) {
        let mut path = String::new();
        let mut pen_is_down = false;
        for (x, y) in points {
            match self.place(*x, *y) {
                Some((x, y)) => {
                    let _ = write!(path, "{}{x:.1} {y:.1}", if pen_is_down { "L" } else { "M" });
                    pen_is_down = true;
                }
                None => pen_is_down = false,
            }
        }
        if !path.is_empty() {
            let name = Text(name);
            self.add(format_args!(
                "<path class=\"line {class}\" d=\"{path}\"><title>{name}</title></path>\n"
            ));
        }
    }

    /// The area between two lines, `(x, low, high)`.
    pub(crate) fn band(&mut self, class: &str, points: &[(f64, f64, f64)]) {
        let upper = points.iter().map(|(x, _, high)| self.place(*x, *high));
        let lower = points.iter().rev().map(|(x, low, _)| self.place(*x, *low));
        let corners: Vec<String> =
            upper.chain(lower).flatten().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        if !corners.is_empty() {
            let corners = corners.join(" ");
            self.add(format_args!("<polygon class=\"band {class}\" points=\"{corners}\"/>\n"));
        }
    }

    /// Small dots, drawn as round ends of lines without length, which takes the fewest bytes.
    pub(super) fn dots(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, y) in points.into_iter().filter_map(|(x, y)| self.place(x, y)) {
            let _ = write!(path, "M{x:.1} {y:.1}h0");
        }
        if !path.is_empty() {
            self.add(format_args!("<path class=\"dots {class}\" d=\"{path}\"/>\n"));
        }
    }

    /// A ring around one point; `name` is its tooltip.
    pub(crate) fn ring(&mut self, class: &str, (x, y): (f64, f64), name: &str) {
        if let Some((x, y)) = self.place(x, y) {
            let name = Text(name);
            self.add(format_args!(
                "<circle class=\"ring {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{name}\
                 </title></circle>\n"
            ));
        }
    }

    /// A bar from zero to `y` between two positions on the horizontal axis; `name` is its tooltip.
    pub(super) fn bar(&mut self, class: &str, [from, to]: [f64; 2], y: f64, name: &str) {
        let corners = (self.place(from, y), self.place(to, 0.0));
        if let (Some((left, top)), Some((right, bottom))) = corners {
            let (width, height, name) = (right - left, bottom - top, Text(name));
            self.add(format_args!(
                "<rect class=\"bar {class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\"><title>{name}</title></rect>\n"
            ));
        }
    }

    /// The cell of a matrix around a point, shaded by `share`, from 0 to 1; `name` is its tooltip.
    pub(super) fn cell(&mut self, (x, y): (f64, f64), share: f64, name: &str) {
        let corners = (self.place(x - 0.5, y - 0.5), self.place(x + 0.5, y + 0.5));
        if let (Some((left, top)), Some((right, bottom))) = corners {
            let (width, height, name) = (right - left, bottom - top, Text(name));
            let opacity = 0.05 + 0.9 * share;
            self.add(format_args!(
                "<rect class=\"cell\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
                 height=\"{height:.1}\" fill-opacity=\"{opacity:.2}\"><title>{name}</title></rect>\n"
            ));
        }
    }

    /// A number in the centre of a cell.
    pub(super) fn number(&mut self, (x, y): (f64, f64), text: &str) {
        if let Some((x, y)) = self.place(x, y) {
            let (y, text) = (y + 4.0, Text(text));
            self.add(format_args!(
                "<text class=\"number\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}\
                 </text>\n"
            ));
        }
    }

    /// A word just above a point.
    pub(super) fn label(&mut self, (x, y): (f64, f64), text: &str) {
        if let Some((x, y)) = self.place(x, y) {
            let (y, text) = (y - 5.0, Text(text));
            self.add(format_args!(
                "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{text}\
                 </text>\n"
            ));
        }
    }

    /// A vertical line over the full height.
    pub(super) fn upright(&mut self, class: &str, x: f64, name: &str) {
        let ends = [(x, self.y.low), (x, self.y.high)];
        self.line(class, &ends, name);
    }

    /// The drawing; `what` describes it to screen readers.
    pub(crate) fn finish(self, what: &str) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {0}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             role=\"img\" aria-label=\"{1}\">\n",
            HEIGHT,
            Text(what)
        );
        for (value, label) in &self.y.ticks {
            let Some((_, y)) = self.place(self.x.low, *value) else { continue };
            let (label_x, label_y, label) = (LEFT - 8.0, y + 4.5, Text(label));
            if self.y.has_grid {
                let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            }
            let _ = writeln!(
                svg,
                "<text class=\"tick\" x=\"{label_x}\" y=\"{label_y:.1}\" text-anchor=\"end\">\
                 {label}</text>"
            );
        }
        for (value, label) in &self.x.ticks {
            let Some((x, _)) = self.place(*value, self.y.low) else { continue };
            let (end, label_y, label) = (bottom + 5.0, bottom + 20.0, Text(label));
            let tick_class = self.x.tick_class;
            let _ = write!(
                svg,
                "<path class=\"axis\" d=\"M{x:.1} {bottom}V{end}\"/>\n<text class=\"{tick_class}\" \
                 x=\"{x:.1}\" y=\"{label_y}\" text-anchor=\"middle\">{label}</text>\n"
            );
        }
        svg.push_str(&self.marks);
        let (middle_x, middle_y) = ((LEFT + right) / 2.0, (TOP + bottom) / 2.0);
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\n\
             <text class=\"title\" x=\"{middle_x}\" y=\"{0}\" text-anchor=\"middle\">{1}</text>\n\
             <text class=\"title\" x=\"14\" y=\"{middle_y}\" text-anchor=\"middle\" \
             transform=\"rotate(-90 14 {middle_y})\">{2}</text>\n</svg>\n",
            HEIGHT - 10.0,
            Text(&self.x.title),
            Text(&self.y.title)
        );
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| &**label).collect()
    }

    #[test]
    fn ticks_are_round_and_as_long_as_they_must_be() {
        assert_eq!(labels(&Axis::around("", [0.71, 1.38])), ["0.8", "1.0", "1.2", "1.4"]);
        let rate = Axis::around("", [0.0, 1e-4]);
        assert_eq!(labels(&rate), ["0", "2e−5", "4e−5", "6e−5", "8e−5", "1e−4"]);
        assert_eq!(labels(&Axis::around("", [-3.0, 3.0])), ["−3", "−2", "−1", "0", "1", "2", "3"]);
        assert_eq!(labels(&Axis::counting("", [1.0, 5.0])), ["1", "2", "3", "4", "5"]);
        assert_eq!(
            labels(&Axis::around("", [0.0, 3e7])),
            ["0", "5e6", "1e7", "1.5e7", "2e7", "2.5e7", "3e7"]
        );
    }

    #[test]
    fn every_set_of_values_has_a_range() {
        for values in [
            &[][..],
            &[f64::NAN],
            &[f64::INFINITY, f64::NEG_INFINITY],
            &[0.0],
            &[-2.5],
            &[1e300, -1e300],
            &[1e99, -1e99],
            &[1.0, 1.0 + f64::EPSILON],
            &[f64::MIN_POSITIVE],
        ] {
            for axis in [
                Axis::around("", values.iter().copied()),
                Axis::counting("", values.iter().copied()),
            ] {
                assert!(axis.low < axis.high, "{values:?}");
                assert!(axis.ticks.iter().all(|(value, _)| value.is_finite()), "{values:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_breaks_the_line_and_nothing_else() {
        let mut chart =
            Chart::new(Axis::counting("epoch", [1.0, 5.0]), Axis::around("<y>", [0.0, 1.0]));
        let y = [0.0, 1.0, f64::NAN, f64::INFINITY, 0.5];
        let points: Vec<(f64, f64)> = (1..).map(f64::from).zip(y).collect();
        chart.line("test", &points, "a & b");
        chart.bar("test", [1.0, 2.0], f64::NAN, "none");
        let svg = chart.finish("a chart");
        assert!(svg.contains("d=\"M88.0 266.0L192.5 23.7M506.0 144.8\"><title>a &amp; b"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<rect"), "{svg}");
        assert!(svg.contains("&lt;y&gt;"));
    }
}
