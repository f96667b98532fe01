//! Three-dimensional point clouds in orthographic projection.

use std::fmt::Write;

use super::figure::EXTENTS;
use super::html::{Text, decimals};

/// Viewing direction: rotation about the third axis, then elevation, in radians.
const TURN: f64 = 0.61;
const RISE: f64 = 0.42;

/// Half an edge of the cube, in units of the picture.
const SCALE: f64 = 94.0;

/// Number of layers that dots are drawn in, the farthest first and faintest.
const N_LAYERS: usize = 5;

/// Groups of points with the class of each, within their common bounding cube; `axis` names the axes,
/// followed by a number.
pub(crate) fn scatter(groups: &[(&str, &[[f64; 3]])], axis: &str, what: &str) -> String {
    let [width, height] = EXTENTS;
    let points = groups.iter().flat_map(|(_, points)| points.iter()).flatten();
    let most = points.fold(0.0_f64, |most, value| most.max(value.abs()));
    let most = if most > 0.0 { most } else { 1.0 };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{}\">\n",
        Text(what)
    );
    // Writing to a string does not fail.
    let _ = write_cube(&mut svg, axis, most);
    let mut marks: Vec<(f64, usize, [f64; 2])> = Vec::new();
    for (group_idx, (_, points)) in groups.iter().enumerate() {
        for point in *points {
            let [x, y, depth] = seen(point.map(|value| value / most));
            marks.push((depth, group_idx, [x, y]));
        }
    }
    marks.sort_by(|one, other| one.0.total_cmp(&other.0));
    let per_layer = marks.len().div_ceil(N_LAYERS).max(1);
    for (layer, marks) in marks.chunks(per_layer).enumerate() {
        let opacity = 0.25 + 0.55 * layer as f64 / (N_LAYERS - 1) as f64;
        for (group_idx, (class, _)) in groups.iter().enumerate() {
            let mut path = String::new();
            for (_, _, [x, y]) in marks.iter().filter(|(_, group, _)| *group == group_idx) {
                let _ = write!(path, "M{x:.1} {y:.1}h0");
            }
            if !path.is_empty() {
                let _ = writeln!(
                    svg,
                    "<path class=\"dots {class}\" style=\"stroke-opacity:{opacity:.2}\" \
                     d=\"{path}\"/>"
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Position in the picture of a point in the cube from -1 to 1, and its depth.
fn seen([x, y, z]: [f64; 3]) -> [f64; 3] {
    let [width, height] = EXTENTS;
    let (sin, cos) = TURN.sin_cos();
    let (across, along) = (x * cos - y * sin, x * sin + y * cos);
    let (sin, cos) = RISE.sin_cos();
    let (up, near) = (z * cos + along * sin, z * sin - along * cos);
    [width / 2.0 + SCALE * across, height / 2.0 - SCALE * up, near]
}

/// A visible edge of the cube used as an axis, with space for labels next to it.
struct Edge {
    from: [f64; 3],
    to: [f64; 3],
    /// Offset of the labels from the edge.
    shift: [f64; 2],
    anchor: &'static str,
}

fn write_cube(svg: &mut String, axis: &str, most: f64) -> std::fmt::Result {
    let corners: Vec<[f64; 3]> = (0..8)
        .map(|bits| [0, 1, 2].map(|at| if bits >> at & 1 == 1 { 1.0 } else { -1.0 }))
        .collect();
    for (idx, one) in corners.iter().enumerate() {
        for other in &corners[idx + 1..] {
            let n_changes = one.iter().zip(other).filter(|(a, b)| a != b).count();
            if n_changes == 1 {
                let ([x, y, _], [to_x, to_y, _]) = (seen(*one), seen(*other));
                writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>")?;
            }
        }
    }
    let front = [-1.0, -1.0, -1.0];
    let left = [-1.0, 1.0, -1.0];
    let edges = [
        Edge { from: front, to: [1.0, -1.0, -1.0], shift: [10.0, 16.0], anchor: "start" },
        Edge { from: front, to: left, shift: [-10.0, 16.0], anchor: "end" },
        Edge { from: left, to: [-1.0, 1.0, 1.0], shift: [-10.0, 4.0], anchor: "end" },
    ];
    for (idx, Edge { from, to, shift: [right, down], anchor }) in edges.into_iter().enumerate() {
        let ([x, y, _], [to_x, to_y, _]) = (seen(from), seen(to));
        writeln!(svg, "<path class=\"axis\" d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>")?;
        let at = |share: f64| (x + share * (to_x - x) + right, y + share * (to_y - y) + down);
        for (share, value) in [(0.1, -0.8 * most), (0.9, 0.8 * most)] {
            let ((x, y), value) = (at(share), decimals(value, if most < 10.0 { 1 } else { 0 }));
            writeln!(
                svg,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{value}\
                 </text>"
            )?;
        }
        let (x, y) = at(0.5);
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{} {}</text>",
            Text(axis),
            idx + 1
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearer_points_are_drawn_later_and_all_are_within_the_picture() {
        let group: Vec<[f64; 3]> = (0..50)
            .map(|idx| [f64::from(idx), -f64::from(idx) / 2.0, 49.0 - f64::from(idx)])
            .collect();
        let svg = scatter(&[("audio", &group), ("vision", &[])], "axis", "points");
        assert_eq!(svg.matches("h0").count(), 50);
        let opacities: Vec<&str> = svg
            .lines()
            .filter_map(|line| line.split_once("stroke-opacity:").map(|(_, rest)| &rest[..4]))
            .collect();
        assert!(opacities.is_sorted() && opacities.len() == N_LAYERS, "{opacities:?}");
        let corners =
            [-1.0, 1.0].map(|x| [-1.0, 1.0].map(|y| [-1.0, 1.0].map(|z| seen([x, y, z]))));
        for [x, y, _] in corners.iter().flatten().flatten() {
            assert!((0.0..EXTENTS[0]).contains(x) && (0.0..EXTENTS[1]).contains(y), "{x} {y}");
        }
    }

    #[test]
    fn points_in_one_place_have_a_picture() {
        let svg = scatter(&[("audio", &[[0.0; 3]; 3])], "axis", "points");
        assert!(!svg.contains("NaN") && svg.matches("h0").count() == 3, "{svg}");
    }
}
