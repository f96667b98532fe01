//! Extracts the operating system's error from the HDF5 library's message.

use std::io;

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
