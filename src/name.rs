//! Enumerations whose values have names on the command line and in files.

/// A name that is not among the expected ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not one of: {}", .expected.join(", "))]
pub struct UnknownName {
    /// The given name.
    pub found: String,
    /// All valid names.
    pub expected: Vec<&'static str>,
}

/// `Display` and `FromStr` for types with `ALL` and `name()`.
macro_rules! named {
    ($($kind:ty),*) => {$(
        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $kind {
            type Err = $crate::name::UnknownName;

            fn from_str(found: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.name() == found).ok_or_else(|| {
                    let expected = Self::ALL.iter().map(|value| value.name()).collect();
                    $crate::name::UnknownName { found: found.into(), expected }
                })
            }
        }
    )*};
}

pub(crate) use named;

/// The name that `found` probably means: it differs only in case, or in a few letters.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found = found.to_lowercase();
    let most = found.chars().count().div_ceil(3);
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &found);
    let near = known.into_iter().map(|name| (distance(name), name));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;
    use crate::corpus::SplitName;

    #[test]
    fn names_go_both_ways_and_a_wrong_one_is_told_the_right_ones() {
        assert_eq!("valid".parse(), Ok(SplitName::Valid));
        assert_eq!(format!("{:<6}|", SplitName::Test), "test  |");
        let error = "dev".parse::<SplitName>().unwrap_err().to_string();
        assert_eq!(error, "`dev` is not one of: train, valid, test");
    }

    #[test]
    fn a_slip_is_told_from_another_word() {
        let known = ["label", "label_T", "text"];
        assert_eq!(nearest("lable", known), Some("label"));
        assert_eq!(nearest("Text", known), Some("text"));
        assert_eq!(nearest("sentiment", known), None);
    }
}
