//! Distances between groups of points: for representations, whether modalities can be told apart.

use ndarray::Array2;

/// Euclidean distances between all pairs of points, `[n_points, n_points]`.
pub fn distances(points: &[Vec<f32>]) -> Array2<f64> {
    let mut distances = Array2::zeros((points.len(), points.len()));
    for (i, one) in points.iter().enumerate() {
        for (j, other) in points.iter().enumerate().skip(i + 1) {
            let squares = one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2));
            let distance = squares.sum::<f64>().sqrt();
            (distances[[i, j]], distances[[j, i]]) = (distance, distance);
        }
    }
    distances
}

/// Mean silhouette of the points of several groups (Rousseeuw, 1987): 1 for compact groups far apart, 0
/// for overlapping groups, below 0 if points are nearer to another group than to their own. A point
/// that is its whole group counts as 0.
///
/// `distances` is `[n_points, n_points]`, `groups` has each point's group number. NaN for fewer than
/// two groups.
pub fn silhouette(distances: &Array2<f64>, groups: &[usize]) -> f64 {
    let n_groups = groups.iter().max().map_or(0, |most| most + 1);
    let mut sizes = vec![0; n_groups];
    groups.iter().for_each(|group| sizes[*group] += 1);
    if sizes.iter().filter(|size| **size > 0).count() < 2 {
        return f64::NAN;
    }
    let of_point = |(point, own): (usize, &usize)| {
        let mut sums = vec![0.0; n_groups];
        distances.row(point).iter().zip(groups).for_each(|(d, group)| sums[*group] += d);
        if sizes[*own] == 1 {
            return 0.0;
        }
        let inside = sums[*own] / (sizes[*own] - 1) as f64;
        let others = (0..n_groups).filter(|group| group != own && sizes[*group] > 0);
        let outside =
            others.map(|group| sums[group] / sizes[group] as f64).fold(f64::INFINITY, f64::min);
        match inside.max(outside) {
            0.0 => 0.0,
            most => (outside - inside) / most,
        }
    };
    groups.iter().enumerate().map(of_point).sum::<f64>() / groups.len() as f64
}

/// Squared maximum mean discrepancy of two groups (Gretton et al., JMLR 2012, Eq. 3, unbiased, so
/// occasionally slightly below 0): 0 if both come from one distribution. The kernel is `exp(-d^2 / (2
/// s^2))` with `s` the median distance between different points of either group. For more groups, the
/// mean over their pairs.
///
/// `distances` is `[n_points, n_points]`, `groups` has each point's group number. NaN if a group has a
/// single point, if all points coincide, or for fewer than two groups.
pub fn mmd_squared(distances: &Array2<f64>, groups: &[usize]) -> f64 {
    let n_groups = groups.iter().max().map_or(0, |most| most + 1);
    let members = |of: usize| -> Vec<usize> {
        let all = groups.iter().enumerate().filter(|(_, group)| **group == of);
        all.map(|(point, _)| point).collect()
    };
    let members: Vec<Vec<usize>> = (0..n_groups).map(members).collect();
    let pairs = (0..n_groups).flat_map(|one| (one + 1..n_groups).map(move |other| (one, other)));
    let of_pairs: Vec<f64> =
        pairs.map(|(one, other)| of_pair(distances, &members[one], &members[other])).collect();
    of_pairs.iter().sum::<f64>() / of_pairs.len() as f64
}

fn of_pair(distances: &Array2<f64>, one: &[usize], other: &[usize]) -> f64 {
    let both: Vec<usize> = one.iter().chain(other).copied().collect();
    let pairs =
        both.iter().enumerate().flat_map(|(idx, i)| both[idx + 1..].iter().map(|j| (*i, *j)));
    let mut all: Vec<f64> = pairs.map(|pair| distances[pair]).collect();
    let width = median(&mut all);
    let kernel = |i: usize, j: usize| (-distances[[i, j]].powi(2) / (2.0 * width.powi(2))).exp();
    let within = |group: &[usize]| {
        let n = group.len() as f64;
        let sum: f64 = group
            .iter()
            .flat_map(|i| group.iter().filter(move |j| *j != i).map(move |j| kernel(*i, *j)))
            .sum();
        sum / (n * (n - 1.0))
    };
    let across: f64 = one.iter().flat_map(|i| other.iter().map(|j| kernel(*i, *j))).sum();
    within(one) + within(other) - 2.0 * across / (one.len() * other.len()) as f64
}

/// The middle value, or the mean of the middle two; NaN for no values.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[f32]) -> Array2<f64> {
        distances(&points.iter().map(|x| vec![*x, 0.0]).collect::<Vec<_>>())
    }

    #[test]
    fn distances_are_euclidean() {
        let found = distances(&[vec![0.0, 0.0], vec![3.0, 4.0], vec![0.0, 1.0]]);
        assert_eq!(found.row(0).to_vec(), [0.0, 5.0, 1.0]);
        assert_eq!(found[[1, 2]], 18_f64.sqrt());
        assert_eq!(found, found.t());
    }

    #[test]
    fn the_silhouette_of_a_small_example_is_that_by_hand() {
        // Inner points 1 each; outer points 4.5 and 3.5 in the first group, 3.5 and 4.5 in the second.
        let expected = (2.0 * (3.5 / 4.5) + 2.0 * (2.5 / 3.5)) / 4.0;
        let found = silhouette(&line(&[0.0, 1.0, 4.0, 5.0]), &[0, 0, 1, 1]);
        assert!((found - expected).abs() < 1e-12, "{found}");
        // A single point counts as zero, and only the nearer of two other groups counts.
        let found = silhouette(&line(&[0.0, 1.0, 4.0, 100.0]), &[0, 0, 1, 2]);
        assert!((found - (3.0 / 4.0 + 2.0 / 3.0) / 4.0).abs() < 1e-12, "{found}");
        // Swapped groups.
        assert!(silhouette(&line(&[0.0, 10.0, 0.0, 10.0]), &[0, 0, 1, 1]) < 0.0);
        assert_eq!(silhouette(&line(&[1.0; 4]), &[0, 0, 1, 1]), 0.0);
        assert!(silhouette(&line(&[0.0, 1.0]), &[0, 0]).is_nan());
        assert!(silhouette(&line(&[]), &[]).is_nan());
    }

    #[test]
    fn the_discrepancy_of_a_small_example_is_that_by_hand() {
        let distances = line(&[0.0, 1.0, 2.0, 4.0]);
        // The median of 1, 2, 4, 1, 3, 2 is 2: the kernel is exp(-d^2 / 8).
        let k = |d: f64| (-d * d / 8.0).exp();
        let expected = k(1.0) + k(2.0) - 2.0 * (k(2.0) + k(4.0) + k(1.0) + k(3.0)) / 4.0;
        let found = mmd_squared(&distances, &[0, 0, 1, 1]);
        assert!((found - expected).abs() < 1e-12, "{found}");
        // For three groups, the mean over pairs.
        let points = line(&[0.0, 1.0, 2.0, 4.0, 7.0, 9.0]);
        let all = mmd_squared(&points, &[0, 0, 1, 1, 2, 2]);
        let pair = |one: usize, other: usize| {
            let at = [2 * one, 2 * one + 1, 2 * other, 2 * other + 1];
            let part = Array2::from_shape_fn((4, 4), |(i, j)| points[[at[i], at[j]]]);
            mmd_squared(&part, &[0, 0, 1, 1])
        };
        assert!((all - (pair(0, 1) + pair(0, 2) + pair(1, 2)) / 3.0).abs() < 1e-12);
        assert!(mmd_squared(&line(&[0.0, 1.0]), &[0, 1]).is_nan());
        assert!(mmd_squared(&line(&[1.0; 4]), &[0, 0, 1, 1]).is_nan());
    }

    #[test]
    fn groups_of_one_distribution_are_told_from_others() {
        use rand::RngExt;
        let mut rng = crate::seed::stream(1, "test");
        let mut points: Vec<Vec<f32>> =
            (0..120).map(|_| (0..3).map(|_| rng.random::<f32>()).collect()).collect();
        let groups: Vec<usize> = (0..120).map(|idx| idx / 60).collect();
        let same = distances(&points);
        points[60..].iter_mut().for_each(|point| point[0] += 1.5);
        let apart = distances(&points);
        let (near, far) = (mmd_squared(&same, &groups), mmd_squared(&apart, &groups));
        assert!(near.abs() < 0.05 && far > 0.3, "{near} {far}");
        let (near, far) = (silhouette(&same, &groups), silhouette(&apart, &groups));
        assert!(near.abs() < 0.05 && far > 0.4, "{near} {far}");
    }
}
