//! Maps points to three dimensions while preserving neighbourhoods: t-SNE (van der Maaten and Hinton,
//! JMLR 2008), in the Barnes-Hut variant of the crate `bhtsne`.
//!
//! The crate draws its initial positions and its neighbour search tree at random, and sums in as many
//! parts as there are threads. Here it gets both initial positions and neighbours, and runs on one
//! thread, so that the same points give a bit-identical map.

use bhtsne::{Neighbor, tSNE};
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use crate::seed::stream;

/// Effective number of neighbours; at most a third of the points.
const PERPLEXITY: usize = 30;

/// Fewer points have no neighbourhoods to preserve.
const FEWEST: usize = 7;

/// Accuracy of the approximation, as in scikit-learn.
const THETA: f64 = 0.5;

/// Standard deviation of the initial positions.
const START: f64 = 1e-4;

/// Maps points with the given `distances` `[n_points, n_points]`, with the crate's default of 1000
/// steps.
///
/// # Errors
/// There are too few points, or the system cannot create a thread; in a sentence.
pub fn tsne(distances: &Array2<f64>, seed: u64) -> Result<Vec<[f64; 3]>, String> {
    let n_points = distances.nrows();
    if n_points < FEWEST {
        return Err(format!("{n_points} points are too few for t-SNE"));
    }
    let perplexity = PERPLEXITY.min((n_points - 1) / 3);
    let neighbors: Vec<Vec<Neighbor<f64>>> = (0..n_points)
        .map(|point| {
            let others = (0..n_points).filter(|other| *other != point);
            let mut row: Vec<Neighbor<f64>> = others
                .map(|index| Neighbor { index, distance: distances[[point, index]] })
                .collect();
            // Stable: of coinciding points, the first comes first.
            row.sort_by(|one, other| one.distance.total_cmp(&other.distance));
            row.truncate(3 * perplexity);
            row
        })
        .collect();
    let mut rng = stream(seed, "t-sne");
    let normal = |_| {
        let value: f64 = StandardNormal.sample(&mut rng);
        START * value
    };
    let start: Vec<f64> = (0..3 * n_points).map(normal).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| format!("t-SNE has no thread: {error}"))?;
    Ok(pool.install(|| {
        // The neighbours contain everything needed about the points.
        let points = vec![(); n_points];
        let mut tsne: tSNE<'_, f64, (), 3> = tSNE::new(&points);
        tsne.perplexity(perplexity as f64).initial_embedding(start);
        tsne.barnes_hut_with_neighbors(THETA, &neighbors);
        tsne.embedding().as_chunks().0.to_vec()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::distance::{distances, silhouette};

    /// Two distant clouds in ten dimensions.
    fn clouds(n_each: usize) -> (Array2<f64>, Vec<usize>) {
        let mut rng = stream(2, "clouds");
        let groups: Vec<usize> = (0..2 * n_each).map(|idx| idx / n_each).collect();
        let mut point = |group: &usize| -> Vec<f32> {
            let shift = 8.0 * *group as f32;
            let value = |_| -> f32 { StandardNormal.sample(&mut rng) };
            (0..10).map(value).map(|value| value + shift).collect()
        };
        let points: Vec<Vec<f32>> = groups.iter().map(&mut point).collect();
        (distances(&points), groups)
    }

    #[test]
    fn clouds_stay_apart_and_the_map_is_the_same_each_time() {
        let (distances_before, groups) = clouds(40);
        let map = tsne(&distances_before, 1).unwrap();
        let as_f32 = |map: &[[f64; 3]]| -> Vec<Vec<f32>> {
            map.iter().map(|point| point.map(|value| value as f32).to_vec()).collect()
        };
        assert!(silhouette(&distances(&as_f32(&map)), &groups) > 0.5, "{map:?}");
        let again = tsne(&distances_before, 1).unwrap();
        let bits = |map: &[[f64; 3]]| -> Vec<u64> {
            map.iter().flatten().map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(&map), bits(&again));
        assert_ne!(bits(&map), bits(&tsne(&distances_before, 2).unwrap()));
    }

    #[test]
    fn few_points_and_points_in_one_place_are_no_trouble() {
        let map = tsne(&clouds(4).0, 1).unwrap();
        assert!(map.len() == 8 && map.iter().flatten().all(|value| value.is_finite()), "{map:?}");
        let map = tsne(&Array2::zeros((20, 20)), 1).unwrap();
        assert!(map.iter().flatten().all(|value| value.is_finite()), "{map:?}");
        assert!(tsne(&clouds(3).0, 1).unwrap_err().contains("6 points are too few"));
    }
}
