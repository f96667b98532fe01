//! Figure 6: representations of each modality as a map, and the distances between them.
//!
//! A segment's representation is the mean over its tokens. The paper shows `H_hyper^3`, `H_v^1` and
//! `H_a^1`. These cannot show whether audio and vision come together in AHL, because there is one
//! hyper-modality for both; so the measures also compare an AHL layer's contributions to the
//! hyper-modality from audio (`alpha V_a` of Eq. 5, through the layer's output map) and from vision.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand::seq::SliceRandom;
use serde::Serialize;
use tch::{Device, Kind};

use super::distance::{distances, mmd_squared, silhouette};
use super::shown;
use super::tsne::tsne;
use crate::mean::mean_std;
use crate::report::figure::{Figure, Mark};
use crate::report::space::scatter;
use crate::seed::stream;
use crate::train::TrainError;
use crate::train::attention::each_trace;
use crate::train::checkpoint::Checkpoint;
use crate::train::data::TrainingSplit;

/// Maximum number of segments in a map: beyond that, t-SNE takes long and dots overlap.
const MOST_SEGMENTS: usize = 600;

/// One model's representations of some segments.
#[derive(Debug, Clone)]
pub struct Representations {
    /// Random seed of the model.
    pub seed: u64,
    /// The segments.
    pub ids: Vec<String>,
    /// Number of AHL layers.
    depth: usize,
    /// `[n_segments, d]` by name in a trace.
    values: BTreeMap<String, Vec<Vec<f32>>>,
}

/// Distance between some representations of one model.
#[derive(Debug, Clone, Serialize)]
pub struct GapLine {
    /// Random seed of the model.
    pub seed: u64,
    /// The compared representations.
    pub compared: String,
    /// Mean silhouette of all points, grouped by representation.
    pub silhouette: f64,
    /// Squared maximum mean discrepancy.
    pub mmd_squared: f64,
}

/// One point of the map.
#[derive(Debug, Clone, Serialize)]
pub struct MapPoint {
    /// Segment id.
    pub id: String,
    /// The representation.
    pub representation: String,
    /// First coordinate, without unit.
    pub x: f64,
    /// Second coordinate.
    pub y: f64,
    /// Third coordinate.
    pub z: f64,
}

/// The segments to use: all, or a random sample that fits a map; in order.
pub fn draw_segments(n_segments: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n_segments).collect();
    order.shuffle(&mut stream(seed, "fig6/segments"));
    order.truncate(MOST_SEGMENTS);
    order.sort_unstable();
    order
}

/// The paper's name of a representation.
fn title(name: &str) -> String {
    match name {
        "h_a" => "H_a^1".into(),
        "h_v" => "H_v^1".into(),
        _ => match (name.strip_prefix("h_hyper_"), name.strip_prefix("h_l_")) {
            (Some(layer), _) => format!("H_hyper^{layer}"),
            (_, Some(scale)) => format!("H_l^{scale}"),
            _ => name.into(),
        },
    }
}

impl Representations {
    /// A model's representations of the segments at the indices `order`.
    ///
    /// # Errors
    /// Same as [`each_trace`].
    pub fn of(
        checkpoint: &Checkpoint,
        split: &TrainingSplit,
        order: &[usize],
    ) -> Result<Representations, TrainError> {
        let depth = checkpoint.info.config.almt().map_or(0, |config| config.sizes.ahl_depth);
        let depth = usize::try_from(depth).unwrap_or(0);
        let mut names = vec!["h_a".to_owned(), "h_v".into()];
        for layer in 1..=depth {
            for name in ["h_l", "h_hyper", "ahl_audio", "ahl_vision"] {
                names.push(format!("{name}_{layer}"));
            }
        }
        let mut values: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
        each_trace(checkpoint, split, order, |_, mut of_batch| {
            for name in &names {
                let Some(tokens) = of_batch.remove(name) else { continue };
                let mean = tokens.mean_dim(1, false, Kind::Float).to_device(Device::Cpu);
                let rows = Vec::<Vec<f32>>::try_from(mean)?;
                values.entry(name.clone()).or_default().extend(rows);
            }
            Ok(())
        })?;
        let ids = order.iter().map(|idx| split.ids()[*idx].clone()).collect();
        Ok(Representations { seed: checkpoint.info.seed, ids, depth, values })
    }

    /// The available ones of these representations.
    fn known(&self, names: &[String]) -> Vec<String> {
        names.iter().filter(|name| self.values.contains_key(*name)).cloned().collect()
    }

    /// The ones that the paper maps.
    fn mapped(&self) -> Vec<String> {
        self.known(&["h_a".into(), "h_v".into(), format!("h_hyper_{}", self.depth)])
    }

    /// Points of some representations, concatenated, and each point's group number.
    fn points(&self, names: &[String]) -> (Vec<Vec<f32>>, Vec<usize>) {
        let points = names.iter().filter_map(|name| self.values.get(name));
        let points = points
            .enumerate()
            .flat_map(|(group, values)| values.iter().map(move |value| (value.clone(), group)));
        points.unzip()
    }

    /// The comparisons: description, and the representations.
    fn comparisons(&self) -> Vec<(String, Vec<String>)> {
        let layers = 1..=self.depth;
        let mut comparisons = vec![("H_a^1, H_v^1".to_owned(), vec!["h_a".into(), "h_v".into()])];
        comparisons.extend(layers.clone().map(|layer| {
            let names = ["audio", "vision"].map(|modality| format!("ahl_{modality}_{layer}"));
            (format!("added by layer {layer} from audio, from vision"), names.into())
        }));
        let with_hyper = layers.clone().map(|layer| {
            let names = ["h_a".into(), "h_v".into(), format!("h_hyper_{layer}")];
            let known = self.known(&names);
            let titles: Vec<String> = known.iter().map(|name| title(name)).collect();
            (titles.join(", "), known)
        });
        comparisons.extend(with_hyper);
        comparisons.extend(layers.map(|layer| {
            let names = [format!("h_l_{layer}"), format!("h_hyper_{layer}")];
            (format!("H_l^{layer}, H_hyper^{layer}"), names.into())
        }));
        comparisons.retain(|(_, names)| names.len() > 1 && self.known(names).len() == names.len());
        comparisons
    }

    /// One line per comparison.
    pub fn gaps(&self) -> Vec<GapLine> {
        let lines = self.comparisons().into_iter().map(|(compared, names)| {
            let (points, groups) = self.points(&names);
            let distances = distances(&points);
            GapLine {
                seed: self.seed,
                compared,
                silhouette: silhouette(&distances, &groups),
                mmd_squared: mmd_squared(&distances, &groups),
            }
        });
        lines.collect()
    }

    /// The map, by representation; or why it is impossible, in a sentence.
    pub fn map(&self, seed: u64) -> Result<Vec<MapPoint>, String> {
        let names = self.mapped();
        let (points, groups) = self.points(&names);
        if points.is_empty() {
            return Err("there is neither audio nor vision".into());
        }
        let map = tsne(&distances(&points), seed)?;
        let ids = self.ids.iter().cycle();
        let points = map.into_iter().zip(groups).zip(ids).map(|(([x, y, z], group), id)| {
            MapPoint { id: id.clone(), representation: title(&names[group]), x, y, z }
        });
        Ok(points.collect())
    }
}

impl MapPoint {
    /// The map as a picture.
    pub fn svg(points: &[MapPoint], title: &str, about: &str) -> String {
        let of_groups = points.chunk_by(|one, next| one.representation == next.representation);
        let groups: Vec<(&'static str, &str, Vec<[f64; 3]>)> = of_groups
            .map(|group| {
                let name = &*group[0].representation;
                let class = match name {
                    "H_a^1" => "audio",
                    "H_v^1" => "vision",
                    _ => "hyper",
                };
                (class, name, group.iter().map(|point| [point.x, point.y, point.z]).collect())
            })
            .collect();
        let drawn: Vec<(&str, &[[f64; 3]])> =
            groups.iter().map(|(class, _, points)| (*class, &**points)).collect();
        let legend = groups.iter().map(|(class, name, _)| (Mark::Dots, *class, (*name).to_owned()));
        let figure = Figure {
            title: title.into(),
            about: about.into(),
            legend: legend.collect(),
            panels: vec![(String::new(), scatter(&drawn, "t-SNE", title))],
            n_columns: 1,
        };
        figure.finish()
    }
}

impl GapLine {
    /// A table over seeds.
    pub fn markdown(lines: &[GapLine]) -> String {
        let mut text = String::from("| compared | silhouette | MMD² |\n|---|---|---|\n");
        let mut done: Vec<&str> = Vec::new();
        for GapLine { compared, .. } in lines {
            if done.contains(&&**compared) {
                continue;
            }
            done.push(compared);
            let over_seeds = |value: fn(&GapLine) -> f64| {
                let values = lines.iter().filter(|line| line.compared == *compared).map(value);
                let (_, mean, std) = mean_std(values);
                shown(mean, std)
            };
            let (silhouette, mmd) =
                (over_seeds(|line| line.silhouette), over_seeds(|line| line.mmd_squared));
            let _ = writeln!(text, "| {compared} | {silhouette} | {mmd} |");
        }
        text
    }
}

/// A page: the map of the first seed, or why there is none, and the measures of all seeds.
pub fn representations_page(
    map: &Result<Vec<MapPoint>, String>,
    gaps: &[GapLine],
    title: &str,
    about: &str,
) -> String {
    let mut text = format!("# {title}\n\n{about}\n\n");
    let _ = match map {
        Err(reason) => writeln!(text, "No map: {reason}."),
        Ok(points) => writeln!(
            text,
            "The map is t-SNE in three dimensions of {} points of the first seed’s model: of each \
             segment the mean over the tokens of a representation. Distances between groups in such a \
             map have no meaning, so the measures below are of the representations themselves.\n\n\
             ![representations](fig6.svg)",
            points.len()
        ),
    };
    if gaps.is_empty() {
        text.push_str("\nThere are not two representations to compare.\n");
        return text;
    }
    let _ = write!(
        text,
        "\nSilhouette: 1 where the representations are apart and each in one place, 0 where they \
         overlap. MMD²: 0 where they have one distribution (Gaussian kernel, its width the median \
         distance), of three the mean over pairs. `H_a^1` and `H_v^1` are what AHL gets; what a layer \
         adds from each is where they are to have come together.\n\n{}",
        GapLine::markdown(gaps)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn representations(names: &[&str]) -> Representations {
        let value = |idx: usize| vec![idx as f32, 1.0];
        let values = names.iter().map(|name| ((*name).into(), (0..5).map(value).collect()));
        let ids = (0..5).map(|idx| format!("s{idx}")).collect();
        Representations { seed: 1, ids, depth: 2, values: values.collect() }
    }

    #[test]
    fn only_what_there_is_is_compared() {
        let compared = |names: &[&str]| -> Vec<String> {
            representations(names).comparisons().into_iter().map(|(words, _)| words).collect()
        };
        assert_eq!(compared(&["h_v", "h_hyper_2"]), ["H_v^1, H_hyper^2"]);
        let all = ["h_a", "h_v", "h_l_1", "h_hyper_1", "ahl_audio_1", "ahl_vision_1"];
        let expected = [
            "H_a^1, H_v^1",
            "added by layer 1 from audio, from vision",
            "H_a^1, H_v^1, H_hyper^1",
            "H_a^1, H_v^1",
            "H_l^1, H_hyper^1",
        ];
        assert_eq!(compared(&all), expected);
        assert!(representations(&["h_l_1", "h_l_2"]).map(1).unwrap_err().contains("neither"));
    }

    #[test]
    fn a_map_has_every_segment_once_per_representation() {
        let representations = representations(&["h_a", "h_v", "h_hyper_2", "h_l_1"]);
        let map = representations.map(1).unwrap();
        assert_eq!(map.len(), 15);
        assert_eq!((&*map[6].id, &*map[6].representation), ("s1", "H_v^1"));
        assert_eq!((&*map[14].id, &*map[14].representation), ("s4", "H_hyper^2"));
        let svg = MapPoint::svg(&map, "a map", "about");
        assert_eq!(svg.matches("h0").count(), 15 + 3, "points and legend: {svg}");
    }

    #[test]
    fn segments_are_all_or_a_draw() {
        assert_eq!(draw_segments(3, 1), [0, 1, 2]);
        let drawn = draw_segments(2000, 1);
        assert!(drawn.len() == MOST_SEGMENTS && drawn.is_sorted() && drawn[599] > 600);
        assert_eq!(drawn, draw_segments(2000, 1));
    }
}
