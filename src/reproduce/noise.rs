//! Figure 5: attention that a token or frame keeps when noise is added to it.
//!
//! The paper adds noise to "a peak frame of `H_v^1`" and shows the weights `β` of the last AHL layer
//! before and after. `H_v^1` consists of tokens, not frames, so the paper's frame is interpreted as a
//! token: the one with the largest weight, averaged over heads and language tokens. Actual frames are
//! attended to in the modality embedding, which is measured as well.
//!
//! Any change lowers the largest weight on average, whatever the model. So the same noise is added to
//! another token or frame of the same segment, drawn at random.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::attention::{NOTHING, symbol};
use crate::corpus::Modality;
use crate::mean::percentile;
use crate::model::Almt;
use crate::report::chart::{Axis, Chart};
use crate::report::figure::{Figure, Mark};
use crate::report::heat::{heat_map, range};
use crate::seed::stream;
use crate::train::TrainError;
use crate::train::attention::{each_trace, rows};
use crate::train::checkpoint::Checkpoint;
use crate::train::corrupt::deviation_of_frames;
use crate::train::data::TrainingSplit;

/// Amounts of noise, relative to the standard deviation of the sample's values.
pub const AMOUNTS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// The amount in the picture of one sample.
pub const SHOWN_AMOUNT: f64 = 1.0;

/// Number of bootstrap rounds over segments.
const N_RESAMPLES: usize = 1000;

/// Where noise is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoisePlace {
    /// A token of `H_m^1`, to which language attends in the last AHL layer.
    Token,
    /// A frame of the input, to which the tokens of the modality embedding attend.
    Frame,
}

/// Choice of a sample's token or frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// The one with the largest weight without noise.
    Peak,
    /// One of the others, drawn at random.
    Other,
}

/// The weight of one token or frame: without noise, then with each of [`AMOUNTS`].
pub type Weights = [f64; 1 + AMOUNTS.len()];

/// Weights of one token or frame of every sample.
#[derive(Debug, Clone)]
pub struct NoiseCurve {
    /// The modality.
    pub modality: Modality,
    /// Where noise is added.
    pub place: NoisePlace,
    /// The choice of token or frame.
    pub which: Which,
    /// One per sample; `None` if the sample lacks the token or frame.
    pub samples: Vec<Option<Weights>>,
}

/// One point of a curve.
#[derive(Debug, Clone, Serialize)]
pub struct NoiseLine {
    /// The modality.
    pub modality: Modality,
    /// Where noise is added.
    pub place: NoisePlace,
    /// The choice of token or frame.
    pub which: Which,
    /// Noise, relative to the standard deviation of the sample's values.
    pub noise: f64,
    /// Samples that have the token or frame.
    pub n_samples: usize,
    /// Mean weight.
    pub weight: f64,
    /// Mean weight relative to that without noise.
    pub relative: f64,
    /// Lower end of its 95% interval: percentiles over resampled segments.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One modality of one sample: weights of the last AHL layer, averaged over heads.
#[derive(Debug, Clone)]
pub struct NoisySample {
    /// The modality.
    pub modality: Modality,
    /// The token with added noise, counted from 0.
    pub peak: usize,
    /// `[n_queries, n_keys]` without noise.
    pub before: Vec<Vec<f64>>,
    /// The same with noise.
    pub after: Vec<Vec<f64>>,
}

/// One weight of a [`NoisySample`].
#[derive(Debug, Clone, Serialize)]
pub struct NoisySampleLine {
    /// The modality.
    pub modality: Modality,
    /// Language token, counted from 1.
    pub query: usize,
    /// Token of the modality, counted from 1.
    pub key: usize,
    /// Whether noise was added to it.
    pub is_peak: bool,
    /// Its weight without noise.
    pub before: f64,
    /// Its weight with noise.
    pub after: f64,
}

/// The sample in the picture: drawn from a random seed, as the paper draws one at random.
pub fn draw_sample(n_samples: usize, seed: u64) -> usize {
    stream(seed, "fig5/sample").random_range(0..n_samples.max(1))
}

/// One batch of tokens or frames, and the attention to them.
struct Batch<'a> {
    ids: &'a [String],
    /// `[batch, n_places, width]`.
    values: &'a Tensor,
    modality: Modality,
    place: NoisePlace,
    seed: u64,
    /// Weights of all places, `[batch, n_places]`, for values of that shape; `None` if the model has no
    /// such weights.
    attend: &'a dyn Fn(&Tensor) -> Option<Tensor>,
}

/// Places of added noise, one per sample, and each sample's noise.
struct Disturbance {
    places: Vec<Option<usize>>,
    /// `[batch, 1, width]`, scaled to the standard deviation of each sample's values.
    noise: Tensor,
}

impl Batch<'_> {
    /// Weights of the peak and of another place in every sample.
    fn measure(&self) -> Result<[Vec<Option<Weights>>; 2], TrainError> {
        let Some(before) = self.weights_of(self.values)? else {
            return Ok([vec![None; self.ids.len()], vec![None; self.ids.len()]]);
        };
        let [peaks, others] = self.disturbances(&before)?;
        Ok([self.weights(&before, &peaks)?, self.weights(&before, &others)?])
    }

    /// Weights of all places, one row per sample; `None` if the model has no such weights.
    fn weights_of(&self, values: &Tensor) -> Result<Option<Vec<Vec<f64>>>, TrainError> {
        (self.attend)(values).map(|weights| rows(&weights)).transpose()
    }

    fn weights(
        &self,
        before: &[Vec<f64>],
        disturbance: &Disturbance,
    ) -> Result<Vec<Option<Weights>>, TrainError> {
        let places = || disturbance.places.iter().enumerate();
        let pick = |rows: &[Vec<f64>]| -> Vec<Option<f64>> {
            let at = |(sample, place): (usize, &Option<usize>)| {
                rows.get(sample)?.get((*place)?).copied()
            };
            places().map(at).collect()
        };
        let mut all = vec![pick(before)];
        for amount in AMOUNTS {
            let after = self.weights_of(&self.disturbed(disturbance, amount))?;
            all.push(pick(&after.unwrap_or_default()));
        }
        let of_sample = |(sample, _)| -> Option<Weights> {
            let mut weights = [0.0; 1 + AMOUNTS.len()];
            for (weight, picked) in weights.iter_mut().zip(&all) {
                *weight = picked[sample]?;
            }
            Some(weights)
        };
        Ok(places().map(of_sample).collect())
    }

    /// The values with noise at one place in each sample.
    fn disturbed(&self, disturbance: &Disturbance, amount: f64) -> Tensor {
        // Samples without the place have zero noise.
        let places: Vec<i64> =
            disturbance.places.iter().map(|place| place.unwrap_or(0) as i64).collect();
        let here = Tensor::from_slice(&places).one_hot(self.values.size()[1]);
        let here = here.to_kind(Kind::Float).to_device(self.values.device()).unsqueeze(-1);
        self.values + here * &disturbance.noise * amount
    }

    /// Each sample's peak and another place, with the same noise. All-zero frames are padding and never
    /// chosen.
    fn disturbances(&self, before: &[Vec<f64>]) -> Result<[Disturbance; 2], TrainError> {
        let (_, n_places, width) = self.values.size3()?;
        let (n_places, width) = (n_places as usize, width as usize);
        let all = Vec::<f32>::try_from(self.values.to_device(Device::Cpu).flatten(0, -1))?;
        let samples = all.chunks_exact((n_places * width).max(1));
        let (mut peaks, mut others) = (Vec::new(), Vec::new());
        let mut noise: Vec<f32> = Vec::new();
        for ((values, weights), id) in samples.zip(before).zip(self.ids) {
            let frames = values.chunks_exact(width.max(1)).enumerate();
            let real: Vec<usize> = frames
                .filter(|(_, frame)| frame.iter().any(|value| *value != 0.0))
                .map(|(place, _)| place)
                .collect();
            let peak = real.iter().copied().max_by(|one, other| {
                // The first of equal weights.
                weights[*one].total_cmp(&weights[*other]).then(other.cmp(one))
            });
            let rest: Vec<usize> =
                real.iter().copied().filter(|place| Some(*place) != peak).collect();
            let purpose = format!("fig5/{}/{:?}/{id}", self.modality, self.place);
            let mut rng = stream(self.seed, &purpose);
            let other = (!rest.is_empty()).then(|| rest[rng.random_range(0..rest.len())]);
            let deviation = deviation_of_frames(values, width);
            noise.extend((0..width).map(|_| {
                let value: f32 = StandardNormal.sample(&mut rng);
                deviation * value
            }));
            peaks.push(peak);
            others.push(other);
        }
        let noise = Tensor::from_slice(&noise).view([-1, 1, width as i64]);
        let noise = noise.to_device(self.values.device());
        let same = noise.shallow_clone();
        Ok([Disturbance { places: peaks, noise }, Disturbance { places: others, noise: same }])
    }
}

/// The last AHL layer's weights, averaged over heads, `[batch, n_queries, n_keys]`.
fn token_weights(almt: &Almt, modality: Modality, h_l: &Tensor, tokens: &Tensor) -> Option<Tensor> {
    Some(almt.guided_attention(modality, h_l, tokens)?.mean_dim(1, false, Kind::Double))
}

/// A modality's tokens, `H_m^1`, among traced values.
fn tokens_of(values: &BTreeMap<String, Tensor>, modality: Modality) -> Option<&Tensor> {
    values.get(match modality {
        Modality::Text => "h_l",
        Modality::Audio => "h_a",
        Modality::Vision => "h_v",
    })
}

/// Curves of one model over all samples of a split: per modality, for tokens and frames, for the peak
/// and another one. Empty for a model without language guidance.
///
/// # Errors
/// Same as [`each_trace`].
pub fn curves(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
    seed: u64,
) -> Result<Vec<NoiseCurve>, TrainError> {
    let Some(almt) = checkpoint.almt() else { return Ok(Vec::new()) };
    let Some(layer) = almt.last_guided() else { return Ok(Vec::new()) };
    let order: Vec<usize> = (0..split.n_samples()).collect();
    let mut curves: Vec<NoiseCurve> = Vec::new();
    let mut add = |batch: Batch<'_>| -> Result<(), TrainError> {
        let (modality, place) = (batch.modality, batch.place);
        for (which, samples) in [Which::Peak, Which::Other].into_iter().zip(batch.measure()?) {
            let is_it = |curve: &&mut NoiseCurve| {
                (curve.modality, curve.place, curve.which) == (modality, place, which)
            };
            match curves.iter_mut().find(is_it) {
                Some(curve) => curve.samples.extend(samples),
                None => curves.push(NoiseCurve { modality, place, which, samples }),
            }
        }
        Ok(())
    };
    let mut ids = split.ids();
    each_trace(checkpoint, split, &order, |batch, values| {
        let of_batch;
        (of_batch, ids) = ids.split_at(batch.target.size()[0] as usize);
        for modality in [Modality::Audio, Modality::Vision] {
            let frames = batch.features.get(&modality);
            let h_l = values.get(&format!("h_l_{layer}"));
            if let (Some(h_l), Some(tokens)) = (h_l, tokens_of(&values, modality)) {
                let attend = |tokens: &Tensor| {
                    let weights = token_weights(&almt, modality, h_l, tokens)?;
                    Some(weights.mean_dim(1, false, None))
                };
                let (values, place) = (tokens, NoisePlace::Token);
                add(Batch { ids: of_batch, values, modality, place, seed, attend: &attend })?;
            }
            if let Some(frames) = frames {
                let attend = |frames: &Tensor| {
                    let weights = almt.frame_attention(modality, frames)?;
                    Some(weights.mean_dim([1, 2].as_slice(), false, Kind::Double))
                };
                let (values, place) = (frames, NoisePlace::Frame);
                add(Batch { ids: of_batch, values, modality, place, seed, attend: &attend })?;
            }
        }
        Ok(())
    })?;
    Ok(curves)
}

/// The last AHL layer's weights for one sample, without noise and with [`SHOWN_AMOUNT`] of it, per
/// modality.
///
/// # Errors
/// Same as [`each_trace`].
pub fn sample(
    checkpoint: &Checkpoint,
    split: &TrainingSplit,
    sample_idx: usize,
    seed: u64,
) -> Result<Vec<NoisySample>, TrainError> {
    let Some(almt) = checkpoint.almt() else { return Ok(Vec::new()) };
    let Some(layer) = almt.last_guided() else { return Ok(Vec::new()) };
    let mut samples = Vec::new();
    each_trace(checkpoint, split, &[sample_idx], |_, values| {
        let Some(h_l) = values.get(&format!("h_l_{layer}")) else { return Ok(()) };
        for modality in [Modality::Vision, Modality::Audio] {
            let Some(tokens) = tokens_of(&values, modality) else { continue };
            let attend = |tokens: &Tensor| {
                let weights = token_weights(&almt, modality, h_l, tokens)?;
                Some(weights.mean_dim(1, false, None))
            };
            let (ids, place) = (&split.ids()[sample_idx..=sample_idx], NoisePlace::Token);
            let batch = Batch { ids, values: tokens, modality, place, seed, attend: &attend };
            let Some(before) = batch.weights_of(tokens)? else { continue };
            let [peaks, _] = batch.disturbances(&before)?;
            let after = batch.disturbed(&peaks, SHOWN_AMOUNT);
            let of = |tokens| token_weights(&almt, modality, h_l, tokens);
            if let (Some(peak), Some(before), Some(after)) =
                (peaks.places.first().copied().flatten(), of(tokens), of(&after))
            {
                let [before, after] = [before, after].map(|weights| rows(&weights.squeeze_dim(0)));
                let (before, after) = (before?, after?);
                samples.push(NoisySample { modality, peak, before, after });
            }
        }
        Ok(())
    })?;
    Ok(samples)
}

/// Merges the curves of several seeds: the mean weight of each sample.
pub fn mean_curves(of_seeds: &[Vec<NoiseCurve>]) -> Vec<NoiseCurve> {
    let Some(first) = of_seeds.first() else { return Vec::new() };
    let mean = |curve_idx: usize, sample_idx: usize| -> Option<Weights> {
        let mut mean = [0.0; 1 + AMOUNTS.len()];
        for curves in of_seeds {
            let weights = curves.get(curve_idx)?.samples.get(sample_idx).copied()??;
            let parts = mean.iter_mut().zip(weights);
            parts.for_each(|(sum, weight)| *sum += weight / of_seeds.len() as f64);
        }
        Some(mean)
    };
    let of_curve = |(curve_idx, curve): (usize, &NoiseCurve)| {
        let samples = (0..curve.samples.len()).map(|sample_idx| mean(curve_idx, sample_idx));
        NoiseCurve { samples: samples.collect(), ..curve.clone() }
    };
    first.iter().enumerate().map(of_curve).collect()
}

impl NoiseCurve {
    /// One line per amount of noise, including none, with bootstrap intervals over the samples.
    pub fn lines(&self, seed: u64) -> Vec<NoiseLine> {
        let samples: Vec<Weights> = self.samples.iter().flatten().copied().collect();
        let n_samples = samples.len();
        let mean = |picked: &mut dyn Iterator<Item = usize>| -> Weights {
            let mut sums = [0.0; 1 + AMOUNTS.len()];
            for sample in picked {
                sums.iter_mut().zip(&samples[sample]).for_each(|(sum, weight)| *sum += weight);
            }
            sums.map(|sum| sum / n_samples as f64)
        };
        let purpose = format!("fig5/bootstrap/{}/{:?}/{:?}", self.modality, self.place, self.which);
        let mut rng = stream(seed, &purpose);
        let n_rounds = if n_samples == 0 { 0 } else { N_RESAMPLES };
        let rounds: Vec<Weights> = (0..n_rounds)
            .map(|_| mean(&mut (0..n_samples).map(|_| rng.random_range(0..n_samples))))
            .collect();
        let weights = mean(&mut (0..n_samples));
        let line = |(idx, noise): (usize, f64)| {
            let mut resampled: Vec<f64> =
                rounds.iter().map(|round| round[idx] / round[0]).collect();
            resampled.sort_by(f64::total_cmp);
            NoiseLine {
                modality: self.modality,
                place: self.place,
                which: self.which,
                noise,
                n_samples,
                weight: weights[idx],
                relative: weights[idx] / weights[0],
                low: percentile(&resampled, 0.025),
                high: percentile(&resampled, 0.975),
            }
        };
        [0.0].into_iter().chain(AMOUNTS).enumerate().map(line).collect()
    }
}

impl NoisySample {
    /// One line per weight.
    pub fn lines(samples: &[NoisySample]) -> Vec<NoisySampleLine> {
        let mut lines = Vec::new();
        for NoisySample { modality, peak, before, after } in samples {
            for (query_idx, (before, after)) in before.iter().zip(after).enumerate() {
                for (key_idx, (before, after)) in before.iter().zip(after).enumerate() {
                    lines.push(NoisySampleLine {
                        modality: *modality,
                        query: query_idx + 1,
                        key: key_idx + 1,
                        is_peak: key_idx == *peak,
                        before: *before,
                        after: *after,
                    });
                }
            }
        }
        lines
    }

    /// Mean weight of the peak before and after.
    fn of_peak(&self) -> [f64; 2] {
        [&self.before, &self.after].map(|weights| {
            weights.iter().map(|row| row[self.peak]).sum::<f64>() / weights.len() as f64
        })
    }

    /// The weights of one sample as a picture; `None` without weights.
    pub fn svg(samples: &[NoisySample], title: &str, about: &str) -> Option<String> {
        let [low, high] = range(samples.iter().flat_map(|sample| [&sample.before, &sample.after]));
        let mut panels = Vec::new();
        for NoisySample { modality, peak, before, after } in samples {
            for (weights, when) in [(before, "without noise"), (after, "with noise")] {
                let heading = format!("{}, {modality}, {when}", symbol(*modality));
                let mut chart = heat_map(&format!("token of {modality}"), weights, [low, high]);
                let (x, bottom) = (*peak as f64, weights.len() as f64 - 0.5);
                let (left, right, top) = (x - 0.5, x + 0.5, -0.5);
                let corners =
                    [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
                chart.line("frame", &corners, "the peak");
                panels.push((heading.clone(), chart.finish(&heading)));
            }
        }
        let figure = Figure {
            title: title.into(),
            about: format!(
                "{about} The dashed frame is the token with the largest weight, to which noise of \
                 {SHOWN_AMOUNT} standard deviation was added. The fullest shade is {high:.3}, the \
                 faintest {low:.3}."
            ),
            legend: Vec::new(),
            panels,
            n_columns: 2,
        };
        (!samples.is_empty()).then(|| figure.finish())
    }
}

const PLACES: [(NoisePlace, &str); 2] = [
    (NoisePlace::Token, "tokens in the last AHL layer"),
    (NoisePlace::Frame, "frames in the modality embedding"),
];

impl NoiseLine {
    /// Curves as a picture, with one panel per modality and place.
    pub fn svg(lines: &[NoiseLine], title: &str, about: &str) -> String {
        let mut panels = Vec::new();
        for (place, words) in PLACES {
            for modality in [Modality::Vision, Modality::Audio] {
                let of_panel: Vec<&NoiseLine> = lines
                    .iter()
                    .filter(|line| (line.modality, line.place) == (modality, place))
                    .collect();
                if of_panel.is_empty() {
                    continue;
                }
                let values = of_panel.iter().flat_map(|line| [line.low, line.high, line.relative]);
                let mut chart = Chart::new(
                    Axis::around("noise, in standard deviations", of_panel.iter().map(|l| l.noise)),
                    Axis::around("weight, without noise = 1", values),
                );
                for (which, class, _) in KINDS {
                    let of_curve = || of_panel.iter().filter(|line| line.which == which);
                    let band = of_curve().map(|line| (line.noise, line.low, line.high));
                    chart.band(class, &band.collect::<Vec<_>>());
                    let points = of_curve().map(|line| (line.noise, line.relative));
                    chart.line(class, &points.collect::<Vec<_>>(), class);
                }
                let heading = format!("{modality}: {words}");
                panels.push((heading.clone(), chart.finish(&heading)));
            }
        }
        let figure = Figure {
            title: title.into(),
            about: about.into(),
            legend: KINDS.map(|(_, class, name)| (Mark::Line, class, name.into())).into(),
            panels,
            n_columns: 2,
        };
        figure.finish()
    }

    /// A page: the sample, then the curves as a table.
    pub fn markdown(
        lines: &[NoiseLine],
        samples: &[NoisySample],
        id: &str,
        title: &str,
        about: &str,
    ) -> String {
        let mut text = format!("# {title}\n\n{about}\n\n");
        if lines.is_empty() {
            text.push_str(NOTHING);
            return text;
        }
        let _ = write!(
            text,
            "The paper adds noise to a «peak frame» of `H_v^1` of a sample drawn at random. Here it is \
             the segment `{id}` and the token with the largest weight; the noise is Gaussian, of \
             {SHOWN_AMOUNT} standard deviation of the segment's own values of `H_m^1`.\n\n\
             ![one segment](fig5.svg)\n\n| weights | token | without noise | with noise |\n\
             |---|---|---|---|\n"
        );
        for sample in samples {
            let (symbol, [before, after]) = (symbol(sample.modality), sample.of_peak());
            let (modality, token) = (sample.modality, sample.peak + 1);
            let _ = writeln!(text, "| {symbol}, {modality} | {token} | {before:.4} | {after:.4} |");
        }
        let _ = write!(
            text,
            "\nOver the whole test split, with more or less noise: the mean weight of the peak by that \
             without noise, and of another token of the same segment, drawn at random. The peak was \
             chosen for its weight, so that it loses some of it by any change; what the model \
             suppresses is what both lose. In square brackets is the 95% interval of {N_RESAMPLES} \
             resamples of the segments. Frames of the input, to which the tokens of the modality \
             embedding attend, are treated alike; noise is in standard deviations of the segment's \
             own values there.\n\n![over the test split](fig5-curves.svg)\n\n\
             | attended to | noise | peak | another |\n|---|---|---|---|\n"
        );
        for (place, words) in PLACES {
            for modality in [Modality::Vision, Modality::Audio] {
                let of = |which: Which| {
                    let it = (modality, place, which);
                    let lines = lines.iter().filter(move |l| (l.modality, l.place, l.which) == it);
                    lines.filter(|line| line.noise > 0.0)
                };
                for (peak, other) in of(Which::Peak).zip(of(Which::Other)) {
                    let _ = writeln!(
                        text,
                        "| {modality}, {words} | {} | {} | {} |",
                        peak.noise,
                        peak.cell(),
                        other.cell()
                    );
                }
            }
        }
        text
    }

    fn cell(&self) -> String {
        let NoiseLine { relative, low, high, .. } = self;
        format!("{relative:.3} [{low:.3}, {high:.3}]")
    }
}

const KINDS: [(Which, &str, &str); 2] = [
    (Which::Peak, "peak", "the one with the largest weight"),
    (Which::Other, "control", "another one, drawn at random"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: usize) -> Vec<String> {
        (0..n).map(|idx| format!("segment-{idx}")).collect()
    }

    /// Weights that grow with a frame's first feature, by softmax.
    fn by_first(values: &Tensor) -> Option<Tensor> {
        Some(values.select(2, 0).softmax(-1, Kind::Double))
    }

    /// Two samples of four frames with two features; the last frame of the first is padding, and so is
    /// all of the second.
    fn values() -> Tensor {
        let first = [0.5_f32, 1.0, 3.0, -1.0, 1.0, 0.0, 0.0, 0.0];
        Tensor::from_slice(&[first, [0.0; 8]].concat()).view([2, 4, 2])
    }

    fn batch<'a>(ids: &'a [String], values: &'a Tensor) -> Batch<'a> {
        let (modality, place) = (Modality::Vision, NoisePlace::Frame);
        Batch { ids, values, modality, place, seed: 1, attend: &by_first }
    }

    #[test]
    fn the_peak_is_the_largest_weight_and_padding_is_left_alone() {
        let (ids, values) = (ids(2), values());
        let batch = batch(&ids, &values);
        let before = batch.weights_of(&values).unwrap().unwrap();
        let [peaks, others] = batch.disturbances(&before).unwrap();
        assert_eq!(peaks.places, [Some(1), None]);
        assert!(matches!(others.places[..], [Some(0 | 2), None]), "{:?}", others.places);
        let changed = batch.disturbed(&peaks, 2.0) - &values;
        let rows: Vec<Vec<f64>> =
            super::rows(&changed.abs().sum_dim_intlist(-1, false, None)).unwrap();
        assert!(rows[0][1] > 0.0 && rows[0].iter().filter(|d| **d == 0.0).count() == 3, "{rows:?}");
        assert_eq!(rows[1], [0.0; 4]);
        let [of_peak, of_other] = batch.measure().unwrap();
        assert!(of_peak[1].is_none() && of_other[1].is_none());
        let weights = of_peak[0].unwrap();
        assert_eq!(weights[0], before[0][1]);
        // The noise is drawn once; larger amounts have the same direction.
        let noise = f64::try_from(peaks.noise.get(0).get(0).get(0)).unwrap();
        for (amount, weight) in AMOUNTS.into_iter().zip(&weights[1..]) {
            let all: f64 = [0.5, 1.0, 0.0].iter().map(|x: &f64| x.exp()).sum();
            let expected = (3.0 + amount * noise).exp();
            assert!((weight - expected / (expected + all)).abs() < 1e-6, "{weight}");
        }
        let again = super::tests::batch(&ids, &values).measure().unwrap();
        assert_eq!(again[0][0], of_peak[0]);
    }

    #[test]
    fn a_model_without_such_weights_has_no_curve() {
        let (ids, values) = (ids(2), values());
        let batch = Batch { attend: &|_| None, ..batch(&ids, &values) };
        assert!(batch.measure().unwrap().iter().flatten().all(Option::is_none));
    }

    #[test]
    fn a_curve_is_relative_to_no_noise_and_within_its_interval() {
        let weights = |scale: f64| -> Option<Weights> {
            Some([1.0, 0.9, 0.8, 0.7, 0.6, 0.5].map(|w| w * scale))
        };
        let (modality, place, which) = (Modality::Audio, NoisePlace::Token, Which::Peak);
        let mut samples: Vec<Option<Weights>> =
            (1..30).map(|idx| weights(f64::from(idx))).collect();
        samples.push(None);
        let curve = NoiseCurve { modality, place, which, samples };
        let lines = curve.lines(1);
        assert_eq!((lines.len(), lines[0].n_samples), (6, 29));
        for (line, expected) in lines.iter().zip([1.0, 0.9, 0.8, 0.7, 0.6, 0.5]) {
            // All samples lose the same share, and so do all resamples.
            for value in [line.relative, line.low, line.high] {
                assert!((value - expected).abs() < 1e-12, "{line:?}");
            }
        }
        // The mean of two seeds, where both have a value.
        let other = NoiseCurve { samples: vec![weights(3.0); 30], ..curve.clone() };
        let mean = mean_curves(&[vec![curve], vec![other]]);
        assert_eq!(mean[0].samples[0].unwrap()[0], 2.0);
        assert!(mean[0].samples[29].is_none());
        let nothing = NoiseCurve { samples: vec![None], modality, place, which }.lines(1);
        assert!(nothing.iter().all(|line| line.relative.is_nan() && line.low.is_nan()));
    }

    #[test]
    fn samples_are_drawn_from_all() {
        assert_eq!(draw_sample(1, 1), 0);
        assert_eq!(draw_sample(1000, 1), draw_sample(1000, 1));
        assert!((0..20).any(|seed| draw_sample(4, seed) == 3));
    }
}
