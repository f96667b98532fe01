//! What can only be checked of a finished pickle: that no container holds itself, that nesting is
//! bounded, and that keys are unique as in Python.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::PickleError;
use super::limits::Limits;
use super::machine::Parts;
use super::numpy::Data;
use super::value::{Node, NodeId, Value};

/// Height of a value that is not finished yet: on the way from the root, so that to meet it again
/// is a cycle.
const OPEN: u32 = u32::MAX;

/// Checks everything that the root reaches, and makes dict keys and set elements unique.
///
/// # Errors
/// If a container holds itself, nesting exceeds the limit, or a key cannot be one.
pub(super) fn settle(parts: &mut Parts, file: &[u8], limits: &Limits) -> Result<(), PickleError> {
    // 0 for what was not met; otherwise the number of levels from the value downwards.
    let mut heights = vec![0_u32; parts.nodes.len()];
    let mut path: Vec<(NodeId, usize, u32)> = vec![(parts.root, 0, 0)];
    while let Some((id, child_idx, tallest)) = path.pop() {
        let Some(node) = parts.nodes.get(id.index()) else { continue };
        let Some(child) = child(&node.value, child_idx) else {
            unique(parts, file, id)?;
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
            let what = "levels of nesting";
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
fn unique(parts: &mut Parts, file: &[u8], id: NodeId) -> Result<(), PickleError> {
    let Some(node) = parts.nodes.get(id.index()) else { return Ok(()) };
    let keys = Keys { nodes: &parts.nodes, file, decoded: &parts.decoded };
    let value = match &node.value {
        Value::Dict(entries) => {
            let mut places = Places::default();
            let mut kept: Vec<(NodeId, NodeId)> = Vec::new();
            for (key, value) in entries {
                let place = places.of(*key, kept.len(), &keys)?;
                match kept.get_mut(place) {
                    Some((_, kept)) => *kept = *value,
                    None => kept.push((*key, *value)),
                }
            }
            Value::Dict(kept)
        }
        Value::Set(items) => Value::Set(keys.distinct(items)?),
        Value::FrozenSet(items) => Value::FrozenSet(keys.distinct(items)?),
        _ => return Ok(()),
    };
    if let Some(node) = parts.nodes.get_mut(id.index()) {
        node.value = value;
    }
    Ok(())
}

/// The places of the keys met so far.
#[derive(Default)]
struct Places {
    /// By object, so that a key mentioned a million times is spelled out once.
    by_id: HashMap<NodeId, usize>,
    by_key: HashMap<Vec<u8>, usize>,
}

impl Places {
    /// The place of `key`, which is `next` if it was not met before.
    fn of(&mut self, key: NodeId, next: usize, keys: &Keys<'_>) -> Result<usize, PickleError> {
        if let Some(place) = self.by_id.get(&key) {
            return Ok(*place);
        }
        let place = *self.by_key.entry(keys.canonical(key)?).or_insert(next);
        self.by_id.insert(key, place);
        Ok(place)
    }
}

struct Keys<'a> {
    nodes: &'a [Node],
    file: &'a [u8],
    decoded: &'a [u8],
}

impl Keys<'_> {
    fn distinct(&self, items: &[NodeId]) -> Result<Vec<NodeId>, PickleError> {
        let mut places = Places::default();
        let mut kept = Vec::new();
        for item in items {
            if places.of(*item, kept.len(), self)? == kept.len() {
                kept.push(*item);
            }
        }
        Ok(kept)
    }

    /// Bytes that are equal for the keys that Python takes for equal.
    fn canonical(&self, id: NodeId) -> Result<Vec<u8>, PickleError> {
        // Tuples in tuples could be shared so often that comparing them never ends.
        const MOST_PARTS: usize = 64;
        // Keys are names and ids; comparing megabytes over and over would take long.
        const MOST_BYTES: usize = 4096;
        let mut key = Vec::new();
        let mut pending = vec![id];
        let mut n_parts = 0;
        while let Some(id) = pending.pop() {
            let Some(node) = self.nodes.get(id.index()) else { continue };
            n_parts += 1;
            let (tag, bytes): (u8, Cow<'_, [u8]>) = match &node.value {
                Value::None => (b'n', Cow::default()),
                Value::Bool(value) => (b'i', i64::from(*value).to_le_bytes().to_vec().into()),
                Value::Int(value) => (b'i', value.to_le_bytes().to_vec().into()),
                Value::Float(value) if *value as i64 as f64 == *value && value.abs() < 9e15 => {
                    (b'i', (*value as i64).to_le_bytes().to_vec().into())
                }
                // A NaN equals only itself, which is the object.
                Value::Float(value) if value.is_nan() => (b'm', id.0.to_le_bytes().to_vec().into()),
                Value::Float(value) => (b'f', value.to_le_bytes().to_vec().into()),
                Value::BigInt(span) => (b'l', span.get(self.file, self.decoded).into()),
                Value::Str(span) => (b's', span.get(self.file, self.decoded).into()),
                Value::ByteStr(span) => (b's', as_utf8(span.get(self.file, self.decoded))),
                Value::Bytes(span) => (b'b', span.get(self.file, self.decoded).into()),
                Value::Tuple(items) if n_parts + items.len() <= MOST_PARTS => {
                    pending.extend(items.iter().rev());
                    (b't', items.len().to_le_bytes().to_vec().into())
                }
                other => {
                    let what = format!("a {} as a key of a dict or set", other.type_name());
                    return Err(PickleError::ForbiddenCall { offset: node.offset, what });
                }
            };
            if bytes.len() > MOST_BYTES {
                return Err(PickleError::Limit {
                    offset: node.offset,
                    what: "bytes in one key",
                    limit: MOST_BYTES as u64,
                    found: bytes.len() as u64,
                });
            }
            key.push(tag);
            key.extend((bytes.len() as u64).to_le_bytes());
            key.extend_from_slice(&bytes);
        }
        Ok(key)
    }
}

/// Latin-1 bytes as UTF-8, without a copy where both are the same.
fn as_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.is_ascii() { bytes.into() } else { super::view::latin1(bytes).into_bytes().into() }
}
