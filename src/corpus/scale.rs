//! The labels of a dataset of one's own: a TOML file, or options, describes their range, their neutral
//! value, and the classes that they are divided into; or it names classes, in order and with values, or
//! without.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bins::{Bins, EXCLUDED, MOST_NAME_BYTES};
use crate::advice::{Advice, Advise, SourceAdvice};
use crate::chain::tried;

/// A description of labels, as a file of `--label-scale` has it, and the manifest of a store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaleFile {
    /// Name of the dataset in reports and messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Smallest and largest label; of classes with values, those of the first and the last by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The label between negative and positive. With it, there are accuracies over two classes, with
    /// and without neutral labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neutral: Option<f64>,
    /// Names of the classes, of labels that are classes; in ascending order if they have values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The value of each class, in ascending order: models are trained on them, and a prediction is of
    /// the class whose value is nearest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// Binning schemes by name: each is an accuracy `acc_NAME`, and a column of the store.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bins: BTreeMap<String, BinsFile>,
}

/// A key in which two descriptions of labels differ, with both values as JSON; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleDifference {
    /// Name of the key in a file.
    pub key: &'static str,
    /// The value in one of both.
    pub one: Option<String>,
    /// That in the other.
    pub other: Option<String>,
}

/// Such as: `neutral` 3.0 against none.
impl fmt::Display for ScaleDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = [&self.one, &self.other].map(|it| it.as_deref().unwrap_or("none"));
        write!(f, "`{}` {one} against {other}", self.key)
    }
}

impl ScaleFile {
    /// What decides the meaning of labels: each key with its value as JSON.
    fn shown(&self) -> [(&'static str, Option<String>); 5] {
        fn json(value: Option<impl Serialize>) -> Option<String> {
            value.and_then(|value| serde_json::to_string(&value).ok())
        }
        fn listed<T>(all: &[T]) -> Option<&[T]> {
            Some(all).filter(|all| !all.is_empty())
        }
        [
            ("range", json(self.range)),
            ("neutral", json(self.neutral)),
            ("classes", json(listed(&self.classes))),
            ("values", json(listed(&self.values))),
            ("bins", json(Some(&self.bins).filter(|bins| !bins.is_empty()))),
        ]
    }
}

/// One binning scheme of a [`ScaleFile`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BinsFile {
    /// The limits between the classes, in ascending order, `[n_classes - 1]`.
    pub edges: Vec<f64>,
    /// The class that a limit itself belongs to: with `left`, the one above it, whose interval is closed
    /// on the left; with `right`, the one below it, as for CH-SIMS.
    #[serde(default)]
    pub closed: ClosedEnd,
    /// Names of the classes, `[n_classes]`; intervals by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// The closed end of the intervals of a binning scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClosedEnd {
    /// `[low, high)`.
    #[default]
    Left,
    /// `(low, high]`.
    Right,
}

/// A checked description of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnScale {
    file: ScaleFile,
    range: Option<[f32; 2]>,
    bins: Vec<Bins>,
    divisions: Vec<Division>,
}

/// A binning scheme by limits.
#[derive(Debug, Clone, PartialEq)]
struct Division {
    bins: Bins,
    edges: Vec<f32>,
    closed: ClosedEnd,
    names: Vec<String>,
}

/// Why there is no description of labels.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// The file cannot be read.
    #[error("{path}: {}", tried("read", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not such a description.
    #[error("{path}: is not a label scale: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// The problem, with the line if there is one.
        problem: String,
    },
}

impl Advise for ScaleError {
    fn advice(&self) -> Vec<Advice> {
        match self {
            ScaleError::Io { .. } => Vec::new(),
            ScaleError::File { .. } => vec![SourceAdvice::ShowScaleSchema.into()],
        }
    }
}

/// Labels of which nothing is known. Stores and runs of one's own always have a description.
pub(super) fn undescribed() -> &'static OwnScale {
    static NOTHING: LazyLock<OwnScale> = LazyLock::new(|| OwnScale {
        file: ScaleFile::default(),
        range: None,
        bins: Vec::new(),
        divisions: Vec::new(),
    });
    &NOTHING
}

/// The name in reports of a dataset whose description has none.
const NO_NAME: &str = "own dataset";

/// Name of the binning scheme of classes with values.
const CLASSES: &str = "classes";

/// Names of binning schemes that follow from the rest of a description.
const IMPLIED: [&str; 3] = [CLASSES, "2_has0", "2_non0"];

/// The class of a segment without a label, where labels are classes.
pub const NO_CLASS: i32 = -1;

/// What the notes say first of a source that has classes and no regression labels, for which no value of
/// a class is known.
pub const CLASSES_ALONE: &str = "labels: the source has class labels and no regression labels";

/// Most classes that labels are divided into: stores hold them in 8 bits.
const MOST_CLASSES: usize = 100;

/// Characters of the longest name of a dataset or a class.
const MOST_CHARS: usize = 80;

impl ScaleFile {
    /// The JSON Schema of a description.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(ScaleFile)
    }
}

impl OwnScale {
    /// Reads a description from a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, has an unknown key, or contradicts itself.
    pub fn read(path: &Path) -> Result<OwnScale, ScaleError> {
        let bytes =
            std::fs::read(path).map_err(|cause| ScaleError::Io { path: path.into(), cause })?;
        let wrong = |problem| ScaleError::File { path: path.into(), problem };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8 text".into()))?;
        OwnScale::of_toml(text).map_err(wrong)
    }

    /// Reads a description from TOML.
    ///
    /// # Errors
    /// It is not TOML, has an unknown key, or contradicts itself.
    pub fn of_toml(text: &str) -> Result<OwnScale, String> {
        let file: ScaleFile = toml::from_str(text).map_err(|error| {
            let place = error.span().and_then(|span| text.get(..span.start));
            let line = place.map(|before| before.matches('\n').count().saturating_add(1));
            let problem = error.message().replace('\n', " ");
            line.map_or(problem.clone(), |line| format!("line {line}: {problem}"))
        })?;
        OwnScale::new(file)
    }

    /// Checks a description.
    ///
    /// # Errors
    /// It has neither a range nor classes, or something in it contradicts the rest; the text names the
    /// key.
    pub fn new(file: ScaleFile) -> Result<OwnScale, String> {
        check_names(&file)?;
        let values = narrow("values", &file.values)?;
        let range = range_of(&file, &values)?;
        let mut divisions = Vec::new();
        if let Some(edges) = midpoints(&values)? {
            let bins = Bins::named(CLASSES).ok_or("classes: no such name")?;
            let (closed, names) = (ClosedEnd::Left, file.classes.clone());
            divisions.push(Division { bins, edges, closed, names });
        }
        for (name, bins) in &file.bins {
            let Some(range) = range else {
                return Err("bins: classes without values have no range to divide".into());
            };
            divisions.push(Division::of(name, bins, range, file.range)?);
        }
        // From coarse to fine; the order of names decides between equals.
        divisions.sort_by_key(|division| division.edges.len());
        let of_neutral = file.neutral.map(|_| [Bins::Acc2Has0, Bins::Acc2Non0]);
        let of_divisions = divisions.iter().map(|division| division.bins);
        let bins = of_neutral.into_iter().flatten().chain(of_divisions).collect();
        Ok(OwnScale { file, range, bins, divisions })
    }

    /// The description as a file has it.
    pub fn file(&self) -> &ScaleFile {
        &self.file
    }

    /// Name of the dataset in reports.
    pub fn title(&self) -> &str {
        self.file.name.as_deref().unwrap_or(NO_NAME)
    }

    /// Smallest and largest label; `None` for classes without values.
    pub fn range(&self) -> Option<[f32; 2]> {
        self.range
    }

    /// The label between negative and positive, if there is one.
    pub fn neutral(&self) -> Option<f32> {
        self.file.neutral.map(|neutral| neutral as f32)
    }

    /// Names of the classes, of labels that are classes.
    pub fn classes(&self) -> &[String] {
        &self.file.classes
    }

    /// The class of this name.
    pub fn class_of_name(&self, name: &str) -> Option<usize> {
        self.file.classes.iter().position(|class| class == name)
    }

    /// The value of a class; `None` for classes without values.
    pub fn value(&self, class: usize) -> Option<f32> {
        self.file.values.get(class).map(|value| *value as f32)
    }

    /// How the labels of `other` differ from these, by key; empty if labels of both mean the same. The name of
    /// the dataset does not matter.
    pub fn differences(&self, other: &OwnScale) -> Vec<ScaleDifference> {
        let (one, other) = (self.file.shown(), other.file.shown());
        let pairs = one.into_iter().zip(other).filter(|(one, other)| one != other);
        pairs.map(|((key, one), (_, other))| ScaleDifference { key, one, other }).collect()
    }

    /// Whether labels are classes without values, on which no model can be trained.
    pub fn is_unordered(&self) -> bool {
        self.range.is_none()
    }

    /// The binning schemes, from coarse to fine.
    pub(super) fn bins(&self) -> &[Bins] {
        &self.bins
    }

    /// The class of a number in a binning scheme by limits; [`EXCLUDED`] of any other.
    pub(super) fn class(&self, bins: Bins, value: f32) -> i8 {
        self.division(bins).map_or(EXCLUDED, |division| {
            let is_above = |edge: &&f32| match division.closed {
                ClosedEnd::Left => value >= **edge,
                ClosedEnd::Right => value > **edge,
            };
            let n_below = division.edges.iter().filter(is_above).count();
            i8::try_from(n_below).unwrap_or(i8::MAX)
        })
    }

    /// Names of the classes in a binning scheme, from class 0 on; empty of one that is not defined.
    pub(super) fn class_names(&self, bins: Bins) -> Vec<Cow<'_, str>> {
        match (bins, self.file.neutral) {
            (Bins::Acc2Has0, Some(neutral)) => {
                vec![format!("below {neutral}").into(), format!("{neutral} and above").into()]
            }
            (Bins::Acc2Non0, Some(neutral)) => {
                vec![format!("below {neutral}").into(), format!("above {neutral}").into()]
            }
            (bins, _) => {
                let names = self.division(bins).into_iter().flat_map(|division| &division.names);
                names.map(|name| Cow::Borrowed(name.as_str())).collect()
            }
        }
    }

    fn division(&self, bins: Bins) -> Option<&Division> {
        self.divisions.iter().find(|division| division.bins == bins)
    }
}

impl Division {
    /// The binning scheme of this name, whose limits lie in `range`, shown as `written`.
    fn of(
        name: &str,
        file: &BinsFile,
        range: [f32; 2],
        written: Option<[f64; 2]>,
    ) -> Result<Division, String> {
        let wrong = |problem: String| Err(format!("bins.{name}: {problem}"));
        let Some(bins) = Bins::named(name) else {
            return wrong(format!(
                "expected a name of up to {MOST_NAME_BYTES} lower-case letters, digits and `_`"
            ));
        };
        if IMPLIED.contains(&name) {
            return wrong("this name is that of a scheme that follows from the rest".into());
        }
        let edges = narrow(&format!("bins.{name}.edges"), &file.edges)?;
        let [low, high] = range;
        let is_within = |edge: &f32| (low..=high).contains(edge) && *edge != low && *edge != high;
        if edges.is_empty() || !is_ascending(&edges) || !edges.iter().all(is_within) {
            let [low, high] = written.unwrap_or([low.into(), high.into()]);
            return wrong(format!(
                "edges: expected numbers in ascending order between {low} and {high}"
            ));
        }
        let n_classes = edges.len().saturating_add(1);
        if n_classes > MOST_CLASSES {
            return wrong(format!("edges: {n_classes} classes are more than {MOST_CLASSES}"));
        }
        let names = match file.names.len() {
            0 => intervals(&file.edges, file.closed, written.unwrap_or([low.into(), high.into()])),
            found if found == n_classes => file.names.clone(),
            found => {
                return wrong(format!("names: expected {n_classes}, one per class, found {found}"));
            }
        };
        Ok(Division { bins, edges, closed: file.closed, names })
    }
}

/// Checks names, and that classes and values belong together.
fn check_names(file: &ScaleFile) -> Result<(), String> {
    let of_bins = file.bins.iter().map(|(name, bins)| (format!("bins.{name}.names"), &bins.names));
    let lists = of_bins.chain([("classes".to_owned(), &file.classes)]);
    for (key, names) in lists {
        let mut seen = HashSet::new();
        for name in names {
            check_name(&key, name)?;
            if !seen.insert(name) {
                return Err(format!("{key}: `{name}` is there twice"));
            }
        }
    }
    if let Some(name) = &file.name {
        check_name("name", name)?;
    }
    match (file.classes.len(), file.values.len()) {
        (0, 0) => Ok(()),
        (0, _) => Err("values: they belong to classes, and `classes` is absent".into()),
        (1, _) => Err("classes: expected at least 2, found 1".into()),
        (found, _) if found > MOST_CLASSES => {
            Err(format!("classes: {found} classes are more than {MOST_CLASSES}"))
        }
        (n_classes, found) if found != 0 && found != n_classes => {
            Err(format!("values: expected {n_classes}, one per class, found {found}"))
        }
        _ => Ok(()),
    }
}

fn check_name(key: &str, name: &str) -> Result<(), String> {
    let is_line = !name.is_empty() && name.trim() == name && !name.contains(char::is_control);
    match is_line && name.chars().count() <= MOST_CHARS {
        true => Ok(()),
        false => Err(format!(
            "{key}: expected names of 1 to {MOST_CHARS} characters in one line, without blanks at the ends"
        )),
    }
}

/// The range of the labels, if they have one.
fn range_of(file: &ScaleFile, values: &[f32]) -> Result<Option<[f32; 2]>, String> {
    if !is_ascending(values) {
        return Err("values: expected numbers in ascending order, as their classes are".into());
    }
    let range = match (file.range, values) {
        (Some([low, high]), _) => {
            let ends = narrow("range", &[low, high])?;
            Some([
                ends.first().copied().unwrap_or_default(),
                ends.last().copied().unwrap_or_default(),
            ])
        }
        (None, [first, .., last]) => Some([*first, *last]),
        (None, _) => None,
    };
    let Some([low, high]) = range else {
        return match (file.classes.is_empty(), file.neutral) {
            (true, _) => Err("expected a `range`, or `classes`".into()),
            (false, Some(_)) => Err("neutral: classes without values have no neutral one".into()),
            (false, None) => Ok(None),
        };
    };
    if !file.classes.is_empty() && values.is_empty() {
        return Err("range: classes without values have none".into());
    }
    if low >= high {
        return Err("range: expected the smaller number first".into());
    }
    let is_within = |value: f32| (low..=high).contains(&value);
    if !values.iter().copied().all(is_within) {
        return Err(format!("values: expected numbers in the range, [{low}, {high}]"));
    }
    match file.neutral {
        Some(neutral) if !is_within(neutral as f32) => {
            Err(format!("neutral: expected a number in the range, [{low}, {high}]"))
        }
        _ => Ok(Some([low, high])),
    }
}

/// The limits between neighbouring values; `None` without values.
fn midpoints(values: &[f32]) -> Result<Option<Vec<f32>>, String> {
    let between = values.windows(2).map(|pair| pair.iter().map(|value| value / 2.0).sum::<f32>());
    let edges: Vec<f32> = between.collect();
    match is_ascending(&edges) {
        true => Ok((!edges.is_empty()).then_some(edges)),
        false => Err("values: too close to each other for float32".into()),
    }
}

fn is_ascending(numbers: &[f32]) -> bool {
    numbers.windows(2).all(|pair| matches!(pair, [one, next] if one < next))
}

/// Numbers as float32, which stores hold.
fn narrow(key: &str, numbers: &[f64]) -> Result<Vec<f32>, String> {
    let narrow: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
    match narrow.iter().all(|number| number.is_finite()) {
        true => Ok(narrow),
        false => Err(format!("{key}: expected finite numbers of float32")),
    }
}

/// The intervals between limits, in words.
fn intervals(edges: &[f64], closed: ClosedEnd, [low, high]: [f64; 2]) -> Vec<String> {
    let ends: Vec<f64> = [low].into_iter().chain(edges.iter().copied()).chain([high]).collect();
    let last = edges.len();
    let interval = |(idx, pair): (usize, &[f64])| {
        let (open, close) = match closed {
            ClosedEnd::Left => ("[", if idx == last { "]" } else { ")" }),
            ClosedEnd::Right => (if idx == 0 { "[" } else { "(" }, "]"),
        };
        let numbers: Vec<String> = pair.iter().map(f64::to_string).collect();
        format!("{open}{}{close}", numbers.join(", "))
    };
    ends.windows(2).enumerate().map(interval).collect()
}

impl Serialize for OwnScale {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.file.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnScale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OwnScale, D::Error> {
        OwnScale::new(ScaleFile::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::label::LabelScale;
    use super::*;

    fn scale(text: &str) -> OwnScale {
        OwnScale::of_toml(text).unwrap()
    }

    const STARS: &str = "name = \"reviews\"\nrange = [1, 5]\nneutral = 3\n\n\
                         [bins.stars]\nedges = [1.5, 2.5, 3.5, 4.5]\n\n\
                         [bins.three]\nedges = [2.5, 3.5]\nnames = [\"bad\", \"fair\", \"good\"]\n\
                         closed = \"right\"\n";

    #[test]
    fn a_range_is_divided_as_its_file_says() {
        let own = scale(STARS);
        let scale = LabelScale::Own(&own);
        let names: Vec<String> = scale.bins().iter().map(|bins| bins.name().to_owned()).collect();
        assert_eq!(names, ["acc_2_has0", "acc_2_non0", "acc_three", "acc_stars"]);
        assert_eq!((own.title(), scale.range(), scale.reach()), ("reviews", Some([1.0, 5.0]), 2.0));
        let classes = |name: &str, values: [f32; 4]| {
            let bins = Bins::of_column(&format!("bins/acc_{name}")).unwrap();
            values.map(|value| scale.class(bins, value))
        };
        // Beyond the range, the end classes go on.
        assert_eq!(classes("stars", [-7.0, 1.5, 4.4, 9.0]), [0, 1, 3, 4]);
        assert_eq!(classes("three", [2.5, 2.6, 3.5, 3.6]), [0, 1, 1, 2]);
        assert_eq!(classes("2_has0", [2.9, 3.0, 3.1, 5.0]), [0, 1, 1, 1]);
        assert_eq!(classes("2_non0", [2.9, 3.0, 3.1, f32::NAN]), [0, EXCLUDED, 1, EXCLUDED]);
        assert_eq!(classes("7", [1.0, 2.0, 3.0, 4.0]), [EXCLUDED; 4]);
        let stars = scale.finest().unwrap();
        assert_eq!(
            scale.class_names(stars),
            ["[1, 1.5)", "[1.5, 2.5)", "[2.5, 3.5)", "[3.5, 4.5)", "[4.5, 5]"]
        );
        assert_eq!(scale.class_names(Bins::Acc2Non0), ["below 3", "above 3"]);
    }

    #[test]
    fn differences_are_named_by_key_and_the_name_is_none() {
        let stars = scale(STARS);
        assert!(stars.differences(&scale(&STARS.replace("reviews", "books"))).is_empty());
        let other = STARS.replace("neutral = 3\n", "").replace("[1, 5]", "[1, 5.5]");
        let differences = |other: &str| -> Vec<String> {
            stars.differences(&scale(other)).iter().map(ScaleDifference::to_string).collect()
        };
        assert_eq!(
            differences(&other),
            ["`range` [1.0,5.0] against [1.0,5.5]", "`neutral` 3.0 against none"]
        );
        let [bins] = &*differences(&STARS.replace("\"fair\"", "\"so\"")) else {
            panic!("only the names of a scheme differ")
        };
        assert!(bins.starts_with("`bins` {\"stars\":") && bins.contains("\"so\""), "{bins}");
    }

    #[test]
    fn classes_with_values_are_divided_halfway_and_those_without_are_not() {
        let own = scale("classes = [\"low\", \"mid\", \"high\"]\nvalues = [0, 1, 4]\n");
        let scale_of = LabelScale::Own(&own);
        let bins = scale_of.finest().unwrap();
        assert_eq!((bins.name(), own.range()), ("acc_classes", Some([0.0, 4.0])));
        assert_eq!([0.4, 0.5, 2.4, 2.5].map(|v| scale_of.class(bins, v)), [0, 1, 1, 2]);
        assert_eq!(scale_of.class_names(bins), ["low", "mid", "high"]);
        assert_eq!((own.class_of_name("mid"), own.value(2)), (Some(1), Some(4.0)));
        let unordered = scale("classes = [\"joy\", \"anger\"]\n");
        assert!(unordered.is_unordered() && LabelScale::Own(&unordered).finest().is_none());
    }

    #[test]
    fn a_description_comes_back_as_it_was_and_a_wrong_one_does_not() {
        for text in [STARS, "classes = [\"a\", \"b\"]\n", "range = [0, 1]\n"] {
            let own = scale(text);
            let json = serde_json::to_string(&own).unwrap();
            assert_eq!(serde_json::from_str::<OwnScale>(&json).unwrap(), own, "{json}");
        }
        assert!(serde_json::from_str::<OwnScale>(r#"{"range": [2, 1]}"#).is_err());
    }

    #[test]
    fn a_wrong_description_names_its_key() {
        for (text, expected) in [
            ("", "expected a `range`, or `classes`"),
            ("range = [5, 1]\n", "range: expected the smaller number first"),
            ("range = [0, nan]\n", "range: expected finite numbers"),
            ("range = [0, 1e40]\n", "range: expected finite numbers"),
            ("range = [0, 1]\nneutral = 2\n", "neutral: expected a number in the range, [0, 1]"),
            ("range = [0, 1]\nnetural = 2\n", "line 2: unknown field `netural`, expected one of"),
            ("range = [0]\n", "line 1: "),
            (
                "range = [0, 1]\n[bins.x]\nedges = [0.6, 0.4]\n",
                "bins.x: edges: expected numbers in asc",
            ),
            ("range = [0, 1]\n[bins.x]\nedges = [1]\n", "between 0 and 1"),
            ("range = [0, 1]\n[bins.x]\nedges = []\n", "bins.x: edges: "),
            ("range = [0, 1]\n[bins.X]\nedges = [0.5]\n", "lower-case letters"),
            ("range = [0, 1]\n[bins.2_non0]\nedges = [0.5]\n", "follows from the rest"),
            (
                "range = [0, 1]\n[bins.x]\nedges = [0.5]\nnames = [\"a\"]\n",
                "bins.x: names: expected 2, one per class, found 1",
            ),
            ("range = [0, 1]\n[bins.x]\nedge = [0.5]\n", "unknown field `edge`"),
            ("classes = [\"a\"]\n", "classes: expected at least 2"),
            ("classes = [\"a\", \"a\"]\n", "classes: `a` is there twice"),
            ("classes = [\"a\", \" b\"]\n", "without blanks at the ends"),
            (
                "classes = [\"a\", \"b\"]\nvalues = [1]\n",
                "values: expected 2, one per class, found 1",
            ),
            (
                "classes = [\"a\", \"b\"]\nvalues = [2, 1]\n",
                "values: expected numbers in ascending",
            ),
            (
                "classes = [\"a\", \"b\"]\nrange = [0, 1]\n",
                "range: classes without values have none",
            ),
            ("classes = [\"a\", \"b\"]\nneutral = 0\n", "neutral: classes without values"),
            ("values = [1, 2]\n", "values: they belong to classes"),
            (
                "classes = [\"a\", \"b\"]\nvalues = [1, 2]\nrange = [0, 1]\n",
                "values: expected numbers in the range, [0, 1]",
            ),
        ] {
            let problem = OwnScale::of_toml(text).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
            assert!(!problem.contains('\n'), "{problem}");
        }
    }
}
