//! The top-level names in an HDF5 file, found without the library, so that its errors need no
//! interpretation and hostile files do not reach it.

/// The bytes that every HDF5 file has at offset 0, or at 512 and its doublings after a user block.
pub(super) const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Bytes examined at the start and the end: h5py writes the top group first, a store its attributes
/// last.
const LOOKED_AT: usize = 1 << 16;

/// Whether the bytes are an HDF5 file.
pub(super) fn is_hdf5(bytes: &[u8]) -> bool {
    start(bytes).is_some()
}

/// Start of the HDF5 file, after any user block.
fn start(bytes: &[u8]) -> Option<usize> {
    let blocks = std::iter::successors(Some(512_usize), |at| at.checked_mul(2)).take(8);
    let mut starts = std::iter::once(0).chain(blocks);
    starts.find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(SIGNATURE)))
}

/// Names of the top-level groups and datasets, as far as they are in the first name heap, which is the
/// top group's.
pub(super) fn top_names(bytes: &[u8]) -> Vec<String> {
    names(bytes).unwrap_or_default()
}

fn names(bytes: &[u8]) -> Option<Vec<String>> {
    const HEAP: &[u8] = b"HEAP";
    const SIZE: usize = 8;
    const FREE: usize = 16;
    const ADDRESS: usize = 24;
    /// Maximum number of free blocks to follow; files with few names have one.
    const MOST_FREE: usize = 64;
    /// Marks the end of the list of free blocks.
    const NO_FREE: usize = 1;
    // Addresses are relative to the start of the file.
    let bytes = bytes.get(start(bytes)?..)?;
    let head = bytes.get(..bytes.len().min(LOOKED_AT))?;
    let at = head.windows(HEAP.len()).position(|window| window == HEAP)?;
    let number = |offset: usize| -> Option<usize> {
        let place = at.checked_add(offset)?;
        let bytes = bytes.get(place..place.checked_add(8)?)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let (len, place) = (number(SIZE)?.min(LOOKED_AT), number(ADDRESS)?);
    let mut heap = bytes.get(place..place.checked_add(len)?.min(bytes.len()))?.to_vec();
    // A free block begins with the place of the next one and its own length.
    let mut free = number(FREE)?;
    for _ in 0..MOST_FREE {
        if free == NO_FREE {
            break;
        }
        let word = |at: usize| -> Option<usize> {
            let bytes = heap.get(at..at.checked_add(8)?)?;
            usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let Some((next, len)) = word(free).zip(free.checked_add(8).and_then(word)) else { break };
        let end = free.saturating_add(len).min(heap.len());
        if let Some(stretch) = heap.get_mut(free..end) {
            stretch.fill(0);
        }
        free = next;
    }
    let is_name = |name: &[u8]| !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
    let names = heap.split(|byte| *byte == 0).filter(|name| is_name(name));
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Whether a word occurs near the start or the end, like names of groups and attributes.
pub(super) fn mentions(bytes: &[u8], word: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(LOOKED_AT)).unwrap_or(bytes);
    let tail = bytes.get(bytes.len().saturating_sub(LOOKED_AT)..).unwrap_or(bytes);
    [head, tail].iter().any(|part| part.windows(word.len()).any(|window| window == word))
}
