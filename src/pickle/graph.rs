//! Checks that need the finished pickle: no container contains itself, nesting is bounded, and keys are
//! unique as in Python.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::PickleError;
use super::limits::Limits;
use super::machine::Parts;
use super::numpy::Data;
use super::place::{NodeId, Span};
use super::value::{Node, Value};
use crate::limit::Limit;

/// Height of an unfinished value: it is on the path from the root, so meeting it again means a cycle.
const OPEN: u32 = u32::MAX;

/// Checks everything reachable from the roots, and makes dict keys and set elements unique.
///
/// # Errors
/// If a container contains itself, nesting exceeds the limit, or a key is not hashable.
pub(super) fn settle(parts: &mut Parts, file: &[u8], limits: &Limits) -> Result<(), PickleError> {
    let mut known = HashMap::new();
    // 0 for unvisited values; otherwise the number of levels below and including the value.
    let mut heights = vec![0_u32; parts.nodes.len()];
    let mut path: Vec<(NodeId, usize, u32)> = Vec::new();
    let mut roots = parts.further.clone();
    roots.push(parts.root);
    while let Some((id, child_idx, tallest)) = path.pop().or_else(|| Some((roots.pop()?, 0, 0))) {
        let Some(node) = parts.nodes.get(id.index()) else { continue };
        let Some(child) = child(&node.value, child_idx) else {
            unique(parts, file, &mut known, id)?;
            let height = tallest.saturating_add(1);
            if let Some(place) = heights.get_mut(id.index()) {
                *place = height;
            }
            if let Some((.., tallest)) = path.last_mut() {
                *tallest = (*tallest).max(height);
            }
            continue;
        };
        if child_idx == 0
            && let Some(place) = heights.get_mut(id.index())
        {
            *place = OPEN;
        }
        path.push((id, child_idx.saturating_add(1), tallest));
        let height = heights.get(child.index()).copied().unwrap_or(0);
        let offset = parts.nodes.get(child.index()).map_or(0, |node| node.offset);
        if height == OPEN {
            return Err(PickleError::Cycle { offset });
        }
        let depth = (path.len() as u64).saturating_add(height.max(1).into());
        if depth > limits.depth {
            let what = Limit::Depth;
            return Err(PickleError::Limit { offset, what, limit: limits.depth, found: depth });
        }
        if height == 0 {
            path.push((child, 0, 0));
        } else if let Some((.., tallest)) = path.last_mut() {
            *tallest = (*tallest).max(height);
        }
    }
    Ok(())
}

fn child(value: &Value, idx: usize) -> Option<NodeId> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
            items.get(idx).copied()
        }
        Value::Dict(entries) => {
            let (key, value) = entries.get(idx / 2)?;
            Some(if idx.is_multiple_of(2) { *key } else { *value })
        }
        Value::Array(array) => match &array.data {
            Data::Objects(items) => items.get(idx).copied(),
            Data::Raw(_) => None,
        },
        _ => None,
    }
}

/// Keeps the first key and the last value of equal dict keys, and one of equal set elements.
fn unique(
    parts: &mut Parts,
    file: &[u8],
    known: &mut HashMap<NodeId, Digest>,
    id: NodeId,
) -> Result<(), PickleError> {
    let Some(node) = parts.nodes.get_mut(id.index()) else { return Ok(()) };
    if !matches!(node.value, Value::Dict(_) | Value::Set(_) | Value::FrozenSet(_)) {
        return Ok(());
    }
    let mut value = std::mem::replace(&mut node.value, Value::None);
    let mut keys = Keys { nodes: &parts.nodes, file, decoded: &parts.decoded, known };
    match &mut value {
        Value::Dict(entries) => {
            let again = keys.repeated(entries.iter().map(|(key, _)| *key))?;
            for (first, again) in &again {
                let last = entries.get(*again as usize).map(|(_, value)| *value);
                if let (Some((_, value)), Some(last)) = (entries.get_mut(*first as usize), last) {
                    *value = last;
                }
            }
            remove(entries, &again);
        }
        Value::Set(items) | Value::FrozenSet(items) => {
            let again = keys.repeated(items.iter().copied())?;
            remove(items, &again);
        }
        _ => {}
    }
    if let Some(node) = parts.nodes.get_mut(id.index()) {
        node.value = value;
    }
    Ok(())
}

/// Removes the elements at the second index of each pair, in ascending order.
fn remove<T>(items: &mut Vec<T>, pairs: &[(u32, u32)]) {
    let mut gone = pairs.iter().map(|(_, again)| *again).peekable();
    let mut idx = 0_u32;
    items.retain(|_| {
        let is_gone = gone.next_if_eq(&idx).is_some();
        idx = idx.saturating_add(1);
        !is_gone
    });
}

/// Represents a key: equal for keys that Python treats as equal, and of one small size, so that neither
/// long keys nor many equal ones take much memory or time.
type Digest = [u8; 16];

struct Keys<'a> {
    nodes: &'a [Node],
    file: &'a [u8],
    decoded: &'a [u8],
    /// Digests of long texts and of tuples, because one of them can be a key a million times.
    known: &'a mut HashMap<NodeId, Digest>,
}

impl Keys<'_> {
    /// Index pairs of equal keys, the first and a later one, in ascending order of the later one.
    fn repeated(
        &mut self,
        keys: impl Iterator<Item = NodeId>,
    ) -> Result<Vec<(u32, u32)>, PickleError> {
        let mut digests = Vec::with_capacity(keys.size_hint().0);
        // There are fewer than 2^32 indices, as each takes a counted byte of memory.
        for (idx, key) in (0_u32..=u32::MAX).zip(keys) {
            digests.push((self.digest(key, 0)?, idx));
        }
        digests.sort_unstable();
        let mut pairs = Vec::new();
        let mut first: Option<(Digest, u32)> = None;
        for (digest, idx) in digests {
            match first {
                Some((known, first)) if known == digest => pairs.push((first, idx)),
                _ => first = Some((digest, idx)),
            }
        }
        pairs.sort_unstable_by_key(|(_, again)| *again);
        Ok(pairs)
    }

    fn digest(&mut self, id: NodeId, level: usize) -> Result<Digest, PickleError> {
        // Nested tuples are read recursively. Keys of feature files are flat.
        const MOST_LEVELS: usize = 8;
        // Hashing a shorter text is faster than looking it up.
        const LONG: usize = 64;
        let nodes = self.nodes;
        let Some(node) = nodes.get(id.index()) else { return Ok(Digest::default()) };
        let text = |span: &Span| span.get(self.file, self.decoded);
        let bytes: (u8, Cow<'_, [u8]>) = match &node.value {
            Value::None => (b'n', Cow::default()),
            Value::Bool(value) => (b'i', i64::from(*value).to_le_bytes().to_vec().into()),
            Value::Int(value) => (b'i', value.to_le_bytes().to_vec().into()),
            Value::Float(value) if *value as i64 as f64 == *value && value.abs() < 9e15 => {
                (b'i', (*value as i64).to_le_bytes().to_vec().into())
            }
            // A NaN equals only itself, by identity.
            Value::Float(value) if value.is_nan() => (b'm', id.0.to_le_bytes().to_vec().into()),
            Value::Float(value) => (b'f', value.to_le_bytes().to_vec().into()),
            Value::BigInt(span) => (b'l', text(span).into()),
            Value::Str(_)
            | Value::HalfStr(_)
            | Value::ByteStr(_)
            | Value::Bytes(_)
            | Value::Tuple(_)
                if self.known.contains_key(&id) =>
            {
                return Ok(self.known.get(&id).copied().unwrap_or_default());
            }
            Value::Str(span) | Value::HalfStr(span) => (b's', text(span).into()),
            Value::ByteStr(span) => (b's', as_utf8(text(span))),
            Value::Bytes(span) => (b'b', text(span).into()),
            Value::Tuple(items) if level < MOST_LEVELS => {
                let mut parts = Vec::with_capacity(items.len().saturating_mul(16));
                for item in items {
                    parts.extend(self.digest(*item, level + 1)?);
                }
                (b't', parts.into())
            }
            other => {
                let what = format!("a {} as a key of a dict or set", other.type_name());
                return Err(PickleError::ForbiddenCall { offset: node.offset, what });
            }
        };
        let (tag, bytes) = bytes;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[tag]).update(&bytes);
        let mut digest = Digest::default();
        hasher.finalize_xof().fill(&mut digest);
        if bytes.len() > LONG || matches!(node.value, Value::Tuple(_)) {
            self.known.insert(id, digest);
        }
        Ok(digest)
    }
}

/// Latin-1 bytes as UTF-8, without a copy if both are the same.
fn as_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() { bytes.into() } else { super::raw::latin1(bytes).into_bytes().into() }
}
