//! Official releases of feature files, identified by SHA-256 (`schemas/releases.toml`).

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Dataset;

/// One published file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its dataset.
    pub dataset: Dataset,
    /// Its name without the extension, such as `unaligned_50`.
    pub name: String,
    /// The publisher of file and digest.
    pub publisher: String,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    pub sha256: String,
}

impl Release {
    /// The release with this SHA-256, if it is a known one.
    pub fn find(sha256: &str) -> Option<&'static Release> {
        all().iter().find(|release| release.sha256 == sha256)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dataset.title(), self.name)
    }
}

fn all() -> &'static [Release] {
    #[derive(Deserialize)]
    struct Releases {
        releases: Vec<Release>,
    }
    static RELEASES: LazyLock<Vec<Release>> = LazyLock::new(|| {
        let text = include_str!("../../schemas/releases.toml");
        toml::from_str::<Releases>(text).expect("the embedded list of releases is tested").releases
    });
    &RELEASES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_published_digests_are_known_and_no_other() {
        assert_eq!(all().len(), 5);
        for release in all() {
            assert_eq!(release.sha256.len(), 64, "{release}");
            assert!(release.sha256.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
            assert_eq!(Release::find(&release.sha256), Some(release), "a digest stands twice");
        }
        let mosi = "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524";
        assert_eq!(Release::find(mosi).unwrap().to_string(), "CMU-MOSI unaligned_50");
        assert_eq!(Release::find(""), None);
    }
}
