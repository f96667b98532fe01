//! What every reader and writer of HDF5 files needs: whether a file is one, whether it is whole, and the
//! operating system's error in the library's message.

use std::io::{self, Read};
use std::path::Path;

use ::hdf5::plist::file_access::FileAccessBuilder;

use crate::map::{Bytes, open_regular};

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// Opens files without the library's lock, which networked file systems often refuse and which child
/// processes inherit with the descriptor.
pub fn unlocked(access: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    access.file_locking(false)
}

/// Whether a regular file begins with the HDF5 signature.
///
/// # Errors
/// The file cannot be opened or read; the action that failed comes first.
pub fn has_signature(path: &Path) -> Result<bool, (&'static str, io::Error)> {
    let mut file = open_regular(path).map_err(|cause| ("open", cause))?;
    let mut start = [0; SIGNATURE.len()];
    match file.read_exact(&mut start) {
        Ok(()) => Ok(start == *SIGNATURE),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(("read", cause)),
    }
}

/// Actual and recorded size of a file that is shorter than its header states.
pub fn cut(path: &Path) -> Option<(u64, u64)> {
    const LEN: usize = 52;
    let bytes = Bytes::map(path).ok()?;
    let found = bytes.bytes().len() as u64;
    let header = bytes.bytes().get(..LEN)?;
    // Offset of the end-of-file address, in the first versions of the header and in the later ones.
    let at = match header.get(8)? {
        0 => 40,
        1 => 44,
        _ => 28,
    };
    let expected = u64::from_le_bytes(header.get(at..at + 8)?.try_into().ok()?);
    (found < expected).then_some((found, expected))
}

/// Precedes the system's error number in the library's message, among file names and addresses.
const NUMBER: &str = "errno = ";

/// The operating system's error, if the library failed because of one.
pub fn answer(error: &::hdf5::Error) -> Option<io::Error> {
    answer_in(&error.to_string())
}

/// The library's failure as a write error.
pub fn written(error: ::hdf5::Error) -> io::Error {
    answer(&error).unwrap_or_else(|| io::Error::other(error))
}

fn answer_in(words: &str) -> Option<io::Error> {
    let (_, rest) = words.split_once(NUMBER)?;
    let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..n_digits)?.parse().ok().map(io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_the_systems_error_is_found() {
        let full = "H5Dwrite(): file write failed: file descriptor = 5, errno = 28, error message = \
                    'No space left on device', offset = 21061632";
        assert_eq!(answer_in(full).unwrap().kind(), io::ErrorKind::StorageFull);
        assert!(answer_in("H5Fopen(): unable to open file: bad superblock").is_none());
    }
}
