//! Word vectors from a text file, as GloVe and word2vec write them: a word and its numbers per line.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::advice::{Advice, Advise};
use crate::chain::tried;
use crate::map::open_regular;

/// Bytes of one line. A vector of 300 numbers takes about 3,000.
const MOST_LINE_BYTES: u64 = 1 << 20;

/// Why vectors could not be read.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// The file system refused.
    #[error("{path}: {}", tried("read", cause))]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        cause: io::Error,
    },
    /// A line that is not a word and its numbers.
    #[error("{path}: line {line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Expected and found.
        problem: String,
    },
    /// None of the words has a vector.
    #[error("{path}: has a vector for none of the {n_words} words")]
    NoWord {
        /// The file.
        path: PathBuf,
        /// Number of different words.
        n_words: usize,
    },
}

impl Advise for VectorsError {
    fn advice(&self) -> Vec<Advice> {
        Vec::new()
    }
}

/// Vectors of some words.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    feat_dim: usize,
    vectors: HashMap<String, Vec<f32>>,
}

impl Vectors {
    /// Reads the vectors of the given words; of a word that appears twice in the file, the first.
    ///
    /// # Errors
    /// The file cannot be read, a line is not a word with as many numbers as the first, or none of the
    /// words is in it.
    pub fn read(path: &Path, words: &HashSet<String>) -> Result<Vectors, VectorsError> {
        let io = |cause| VectorsError::Io { path: path.into(), cause };
        let file: File = open_regular(path).map_err(io)?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let (mut vectors, mut feat_dim) = (HashMap::new(), None);
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let n_bytes =
                (&mut file).take(MOST_LINE_BYTES).read_until(b'\n', &mut bytes).map_err(io)?;
            if n_bytes == 0 {
                break;
            }
            let wrong = |problem: String| VectorsError::Line { path: path.into(), line, problem };
            if n_bytes as u64 == MOST_LINE_BYTES {
                return Err(wrong(format!("longer than the limit of {MOST_LINE_BYTES} bytes")));
            }
            // Some published files have words that are not UTF-8, which no transcript has.
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_end_matches(['\n', '\r', ' ']);
            let n_fields = text.split(' ').count();
            if text.is_empty() || (line == 1 && is_header(text)) {
                continue;
            }
            let dim = *feat_dim.get_or_insert(n_fields - 1);
            if dim == 0 || n_fields <= dim {
                return Err(wrong(format!("expected a word and {dim} numbers")));
            }
            // A word may contain spaces, numbers do not.
            let mut fields = text.rsplitn(dim + 1, ' ');
            let numbers: Vec<&str> = fields.by_ref().take(dim).collect();
            let word = fields.next().unwrap_or_default();
            if !words.contains(word) || vectors.contains_key(word) {
                continue;
            }
            let numbers = numbers.into_iter().rev().map(|number| {
                number.parse().map_err(|_| wrong(format!("`{number}` is not a number")))
            });
            vectors.insert(word.to_owned(), numbers.collect::<Result<Vec<f32>, _>>()?);
        }
        match (vectors.is_empty(), feat_dim) {
            (false, Some(feat_dim)) => Ok(Vectors { feat_dim, vectors }),
            _ => Err(VectorsError::NoWord { path: path.into(), n_words: words.len() }),
        }
    }

    /// Numbers of one vector.
    pub fn feat_dim(&self) -> usize {
        self.feat_dim
    }

    /// The vector of a word.
    pub fn get(&self, word: &str) -> Option<&[f32]> {
        self.vectors.get(word).map(Vec::as_slice)
    }
}

/// Whether a line counts words and dimensions, as word2vec's first does.
fn is_header(line: &str) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    fields.len() == 2 && fields.iter().all(|field| field.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, words: &[&str]) -> Result<Vectors, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.txt");
        std::fs::write(&path, text).unwrap();
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Vectors::read(&path, &words).map_err(|error| error.to_string())
    }

    #[test]
    fn words_have_their_numbers() {
        let found =
            read("the 1 -2.5\n. . . 3 4\nthe 9 9\nunread x y\n", &["the", ". . ."]).unwrap();
        assert_eq!((found.feat_dim(), found.get("the")), (2, Some(&[1.0, -2.5][..])));
        assert_eq!((found.get(". . ."), found.get("unread")), (Some(&[3.0, 4.0][..]), None));
        assert_eq!(read("2 1\na 7\nb 8\n", &["b"]).unwrap().get("b"), Some(&[8.0][..]));
        let wrong = |text| read(text, &["a"]).unwrap_err();
        assert!(wrong("a 1 2\na\n").contains("line 2: expected a word and 2 numbers"));
        assert!(wrong("a 1 x\n").contains("line 1: `x` is not a number"));
        assert!(wrong("b 1 2\n").contains("has a vector for none of the 1 words"));
        assert!(wrong("").contains("has a vector for none"));
    }
}
