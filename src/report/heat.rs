//! Attention weights as heat maps: darker cells have larger weights.

use super::chart::{Axis, Chart};
use super::html::decimals;

/// Maps with more tokens per side are not drawn.
pub(crate) const MOST_TOKENS: usize = 64;

/// Maximum number of tokens per side for numbers in the cells.
const MOST_NUMBERS: usize = 10;

/// The minimum and maximum of all weights, which compared charts share as ends of their colour scale.
pub(crate) fn range<'a>(maps: impl IntoIterator<Item = &'a Vec<Vec<f64>>>) -> [f64; 2] {
    let weights = maps.into_iter().flatten().flatten().filter(|weight| weight.is_finite());
    weights.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], weight| {
        [low.min(*weight), high.max(*weight)]
    })
}

/// Weights `[n_queries, n_keys]`, the first query on top; `keys` names the keys.
pub(crate) fn heat_map(keys: &str, weights: &[Vec<f64>], [low, high]: [f64; 2]) -> Chart {
    let n_keys = weights.iter().map(Vec::len).max().unwrap_or(0);
    let has_numbers = weights.len().max(n_keys) <= MOST_NUMBERS;
    let y = Axis::tokens("token of language", weights.len()).reversed();
    let mut chart = Chart::new(Axis::tokens(keys, n_keys), y);
    for (query, row) in weights.iter().enumerate() {
        for (key, weight) in row.iter().enumerate() {
            let place = (key as f64, query as f64);
            // Equal weights have no shades.
            let share = if high > low { (weight - low) / (high - low) } else { 0.5 };
            let name = format!("{} to {}: {weight:.4}", query + 1, key + 1);
            chart.cell(place, share.clamp(0.0, 1.0), &name);
            if has_numbers {
                chart.number(place, &decimals(*weight, 3));
            }
        }
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_weight_is_the_darkest_and_the_first_query_on_top() {
        let weights = vec![vec![0.9, 0.1], vec![0.5, 0.5]];
        let svg = heat_map("key", &weights, range([&weights])).finish("a map");
        let cells: Vec<&str> = svg.lines().filter(|line| line.contains("class=\"cell\"")).collect();
        let expected = [
            ("14.0", "0.95", "1 to 1: 0.9000"),
            ("14.0", "0.05", "1 to 2: 0.1000"),
            ("140.0", "0.50", "2 to 1"),
        ];
        for (cell, (y, opacity, name)) in cells.iter().zip(expected) {
            assert!(cell.contains(&format!("y=\"{y}\"")), "{cell}");
            assert!(cell.contains(&format!("fill-opacity=\"{opacity}\"")), "{cell}");
            assert!(cell.contains(name), "{cell}");
        }
        assert!(svg.contains(">0.900</text>"), "{svg}");
    }

    #[test]
    fn weights_that_are_all_the_same_have_a_picture() {
        let weights = vec![vec![0.25; 4]; 4];
        let svg = heat_map("key", &weights, range([&weights])).finish("a map");
        assert!(
            svg.matches("fill-opacity=\"0.50\"").count() == 16 && !svg.contains("NaN"),
            "{svg}"
        );
        let nothing = heat_map("key", &[], range([])).finish("nothing");
        assert!(!nothing.contains("NaN") && !nothing.contains("inf"), "{nothing}");
    }
}
