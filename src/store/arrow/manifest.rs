//! `manifest.json` of an Arrow store.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::corpus::SplitName;
use crate::corpus::manifest::Manifest;
use crate::store::{StoreError, VERSION};

pub(super) const NAME: &str = "manifest.json";

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    pub(super) split: SplitName,
    /// Size in bytes.
    pub(super) size: u64,
    /// BLAKE3 of everything but the batch bodies: schema, buffer places, footer.
    pub(super) metadata_blake3: String,
    /// BLAKE3 of the stored bodies if they are compressed: some bits of a compressed stream do not
    /// affect the unpacked values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bodies_blake3: Option<String>,
}

/// The name of a split's file.
pub(super) fn file_name(split: SplitName) -> String {
    format!("{split}.arrow")
}

/// Whether a folder holds only files that this program writes, and so may be replaced.
pub(in crate::store) fn is_ours(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.into_iter().all(|entry| {
        let name = entry.map(|entry| entry.file_name());
        let ours = |name: &std::ffi::OsStr| {
            name == NAME || SplitName::ALL.iter().any(|split| name == &*file_name(*split))
        };
        name.is_ok_and(|name| ours(&name))
    })
}

/// Text before each part.
const VERSION_PART: &str = "{\"version\": ";
const FILES_PART: &str = ",\n\"files\": ";
const MANIFEST_PART: &str = ",\n\"manifest\": ";
const SEAL_PART: &str = ",\n\"blake3\": \"";
const END: &str = "\"}\n";

/// Text of the file.
pub(super) fn to_text(files: &[FileEntry], manifest: &Manifest) -> io::Result<String> {
    let files = serde_json::to_string(files)?;
    let manifest = serde_json::to_string(manifest)?;
    let text = format!("{VERSION_PART}{VERSION}{FILES_PART}{files}{MANIFEST_PART}{manifest}");
    let seal = blake3::hash(text.as_bytes()).to_hex();
    Ok(format!("{text}{SEAL_PART}{seal}{END}"))
}

/// Reads the file in `folder`.
pub(super) fn read(folder: &Path) -> Result<(Vec<FileEntry>, Manifest), StoreError> {
    let text = fs::read(folder.join(NAME)).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => StoreError::of_other(folder)
            .unwrap_or_else(|| StoreError::NotArrow { path: folder.into() }),
        _ => StoreError::Io { path: folder.join(NAME), action: "read", cause },
    })?;
    let damaged =
        |problem: String| StoreError::Damaged { path: folder.into(), place: NAME.into(), problem };
    check_version(folder, &text)?;
    let seal_len = SEAL_PART.len() + 64 + END.len();
    let (content, seal) = text.split_at(text.len().saturating_sub(seal_len));
    let expected = format!("{SEAL_PART}{}{END}", blake3::hash(content).to_hex());
    if seal != expected.as_bytes() {
        return Err(damaged("differs from its recorded BLAKE3: the file was changed".into()));
    }
    // Written by this version, so unknown keys mean another version.
    let parts: Parts = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("{error}: another version of the program wrote it")))?;
    Ok((parts.files, parts.manifest))
}

#[derive(Deserialize)]
struct Parts {
    files: Vec<FileEntry>,
    manifest: Manifest,
}

/// Compares the version first: everything after it may differ in another version.
fn check_version(folder: &Path, text: &[u8]) -> Result<(), StoreError> {
    let rest = text.strip_prefix(VERSION_PART.as_bytes());
    let digits = rest.unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    let digits: String = digits.map(|byte| char::from(*byte)).collect();
    match digits.parse() {
        Ok(found) if found == u64::from(VERSION) => Ok(()),
        Ok(found) => Err(StoreError::Version { path: folder.into(), found }),
        Err(_) => Err(StoreError::Damaged {
            path: folder.into(),
            place: NAME.into(),
            problem: "does not begin with the version of a feature store".into(),
        }),
    }
}
