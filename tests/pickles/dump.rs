//! Pickle values as JSON with explicit types, in the format of `fixtures/pickles/make.py` and
//! `tests/plain.py`.

use almt_data::pickle::{NodeId, Number, Pickle, RawText, ScalarKind, Value};
use serde_json::{Value as Json, json};

/// The value as `make.py` dumps it.
pub fn dump(pickle: &Pickle, id: NodeId) -> Json {
    let all = |ids: &[NodeId]| ids.iter().map(|id| dump(pickle, *id)).collect::<Vec<_>>();
    match pickle.value(id).expect("an id of this pickle") {
        Value::None => json!({"const": "None"}),
        Value::Bool(value) => json!({"const": if *value { "True" } else { "False" }}),
        Value::Int(value) => json!({"int": value.to_string()}),
        Value::BigInt(span) => {
            let bytes = pickle.span(*span);
            json!({"int": num_bigint_text(bytes)})
        }
        Value::Float(value) => float(*value),
        Value::Str(_) | Value::ByteStr(_) => json!({"str": pickle.str(id).unwrap()}),
        Value::HalfStr(span) => json!({"halves": hex(pickle.span(*span))}),
        Value::Bytes(span) => json!({"bytes": hex(pickle.span(*span))}),
        Value::List(items) => json!({"list": all(items)}),
        Value::Tuple(items) => json!({"tuple": all(items)}),
        Value::Set(items) | Value::FrozenSet(items) => json!({"set": all(items)}),
        Value::Dict(entries) => {
            let pair = |(key, value): &(_, _)| vec![dump(pickle, *key), dump(pickle, *value)];
            json!({"dict": entries.iter().map(pair).collect::<Vec<_>>()})
        }
        Value::Array(_) => {
            let array = pickle.array(id).unwrap();
            let kind = match array.dtype().kind {
                ScalarKind::Bytes => "S".into(),
                ScalarKind::Unicode => "U".into(),
                ScalarKind::Object => "O".into(),
                _ => array.dtype().to_string().replace(" (big-endian)", ""),
            };
            let item = |idx| match array.dtype().kind {
                ScalarKind::Object => dump(pickle, array.object(idx).unwrap()),
                ScalarKind::Bytes | ScalarKind::Unicode => match array.raw_text(idx).unwrap() {
                    RawText::Bytes(bytes) => json!({"bytes": hex(bytes)}),
                    RawText::Halves(bytes) => json!({"halves": hex(&bytes)}),
                    _ => json!({"str": array.text(idx).unwrap()}),
                },
                ScalarKind::Bool => match array.number(idx).unwrap().to_i32() {
                    Some(0) => json!({"const": "False"}),
                    _ => json!({"const": "True"}),
                },
                _ => match array.number(idx).unwrap() {
                    Number::Int(value) => json!({"int": value.to_string()}),
                    Number::Float(value) => float(value),
                },
            };
            let items: Vec<Json> = (0..array.len()).map(item).collect();
            json!({"array": kind, "shape": array.shape(), "items": items})
        }
        other => json!({"other": other.type_name()}),
    }
}

pub fn float(value: f64) -> Json {
    json!({"float": if value.is_nan() { "nan".into() } else { hex(&value.to_le_bytes()) }})
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decimal text of two's complement bytes, least significant first.
fn num_bigint_text(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut digits = vec![0_u32];
    for byte in bytes.iter().rev() {
        // Of a negative number, -(value + 1) is the complement of each byte.
        let mut carry = u32::from(if negative { !byte } else { *byte });
        for digit in &mut digits {
            carry += *digit * 256;
            *digit = carry % 10;
            carry /= 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    if negative {
        let place = digits.iter().position(|digit| *digit != 9).unwrap_or(digits.len());
        digits[..place].fill(0);
        if place == digits.len() {
            digits.push(0);
        }
        digits[place] += 1;
    }
    let text: String = digits.iter().rev().map(u32::to_string).collect();
    let text = text.trim_start_matches('0');
    format!("{}{}", if negative { "-" } else { "" }, if text.is_empty() { "0" } else { text })
}
