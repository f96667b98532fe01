//! Changes to hyper-parameters by assignments such as `fusion_depth=2` or `main.rest.lr=1e-3`.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::preset::Preset;
use super::schedule::Schedule;
use crate::name::nearest;

/// An assignable name, and its place in a preset's tables.
type Place = (String, Vec<String>);

/// Settings that a preset may omit.
const OPTIONAL: [&str; 8] = [
    "accumulate",
    "shuffle",
    "remainder",
    "select",
    "loss_decimals",
    "patience",
    "untrained",
    "zero_gradients",
];

/// What other trainers and papers call a setting, and what the last part of its name is here.
const SYNONYMS: [(&str, &str); 7] = [
    ("decay", "optimizer"),
    ("early_stop", "patience"),
    ("grad_clip", "clip_value"),
    ("learning_rate", "lr"),
    ("scheduler", "schedule"),
    ("train_fusion_weights", "untrained"),
    ("update_epochs", "accumulate"),
];

impl Preset {
    /// Changes one number, word or list. Names are those of `[model]` and `[training]`, and for phases
    /// `PHASE.KEY`, `PHASE.optimizer.KEY`, `PHASE.schedule.KEY` and `PHASE.GROUP.KEY`.
    ///
    /// # Errors
    /// The name or the value is invalid, in a sentence.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let Some((name, text)) = assignment.split_once('=') else {
            return Err(format!("expected NAME=VALUE, found `{assignment}`"));
        };
        let (name, text) = (name.trim(), text.trim());
        let root = Table::try_from(&*self).map_err(|error| error.to_string())?;
        let places = self.places(&root);
        let Some((_, path)) = places.iter().find(|(known, _)| known == name) else {
            let names: Vec<&str> = places.iter().map(|(name, _)| &**name).collect();
            // What another program calls it, a key of a group alone, else a similarly spelled one.
            let last =
                SYNONYMS.iter().find(|(other, _)| *other == name).map_or(name, |(_, own)| own);
            let of_group = names.iter().copied().find(|it| it.rsplit('.').next() == Some(last));
            let meant = of_group.or_else(|| nearest(name, names.iter().copied()));
            let meant = meant.map(|known| format!(": is `{known}` meant?"));
            let meant = meant.unwrap_or_else(|| ".".into());
            return Err(format!("unknown key `{name}`{meant} Known keys: {}", names.join(", ")));
        };
        let value = value_of(text);
        let slot = slot(&root, path).ok_or_else(|| format!("`{name}` cannot be set"))?;
        // Counts; within phases, only a plateau's patience may be 0.
        if matches!(slot, Some(Value::Integer(_)))
            && path.first().is_none_or(|table| table != "phase")
            && !matches!(value, Value::Integer(number) if number > 0)
        {
            return Err(format!("`{name}`: expected a whole number above 0, found `{text}`"));
        }
        let value = match (&slot, value) {
            (Some(Value::Float(_)), Value::Integer(number)) => Value::Float(number as f64),
            (Some(Value::Float(_)), Value::String(_)) => {
                return Err(format!("`{name}`: expected a number, found `{text}`"));
            }
            // A schedule or an optimizer by name.
            (_, Value::String(word)) if path.last().is_some_and(|key| key == "schedule") => {
                let schedule: Schedule =
                    word.parse().map_err(|error| format!("`{name}`: {error}"))?;
                Value::try_from(schedule).map_err(|error| error.to_string())?
            }
            (_, word @ Value::String(_)) if path.last().is_some_and(|key| key == "optimizer") => {
                Value::Table([("kind".to_owned(), word)].into_iter().collect())
            }
            (_, value) => value,
        };
        let with = |value: Value| -> Result<Preset, toml::de::Error> {
            let mut root = root.clone();
            put(&mut root, path, value);
            root.try_into()
        };
        // TOML parse errors contain a multi-line excerpt.
        let one_line = |error: toml::de::Error| error.message().trim().replace('\n', " ");
        // A list of one element may be given as the element.
        *self = with(value.clone())
            .or_else(|error| with(Value::Array(vec![value])).map_err(|_| error))
            .map_err(one_line)
            // Errors about a whole recipe name their place themselves.
            .map_err(|error| match error.starts_with(name) {
                true => error,
                false => format!("`{name}`: {error}"),
            })?;
        Ok(())
    }

    /// All names, those of the model first.
    fn places(&self, root: &Table) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        let keys = |table: &str| -> Vec<String> {
            let table = root.get(table).and_then(Value::as_table);
            table.into_iter().flat_map(Table::keys).cloned().collect()
        };
        let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect();
        for key in keys("model").iter().filter(|key| !["kind", "variant"].contains(&key.as_str())) {
            places.push((key.clone(), path(&["model", key])));
        }
        for (name, dotted) in self.model.nested() {
            let parts: Vec<&str> = ["model"].into_iter().chain(dotted.split('.')).collect();
            places.push(((*name).to_owned(), path(&parts)));
        }
        let mut of_training = keys("training");
        of_training.extend(OPTIONAL.map(String::from));
        of_training.sort();
        of_training.dedup();
        for key in &of_training {
            places.push((key.clone(), path(&["training", key])));
        }
        for (phase_idx, phase) in self.phases.iter().enumerate() {
            let idx = phase_idx.to_string();
            for key in ["optimizer", "clip_norm", "clip_over", "clip_value", "share", "schedule"] {
                places.push((format!("{}.{key}", phase.name), path(&["phase", &idx, key])));
            }
            let table = root.get("phase").and_then(|phases| phases.get(phase_idx));
            for key in ["optimizer", "schedule"] {
                let table = table.and_then(|phase| phase.get(key)).and_then(Value::as_table);
                let own = table.into_iter().flat_map(Table::keys).map(String::as_str);
                // The metric is not written if it is the default.
                let is_plateau = matches!(phase.schedule, Schedule::Plateau { .. });
                let left_out = (key == "schedule" && is_plateau).then_some("metric");
                let own: BTreeSet<&str> =
                    own.chain(left_out).filter(|own| *own != "kind").collect();
                for own in own {
                    let name = format!("{}.{key}.{own}", phase.name);
                    places.push((name, path(&["phase", &idx, key, own])));
                }
            }
            for (group_idx, group) in phase.groups.iter().enumerate() {
                let group_idx = group_idx.to_string();
                for key in ["lr", "weight_decay", "prefixes", "suffixes", "except", "optional"] {
                    let name = format!("{}.{}.{key}", phase.name, group.name);
                    places.push((name, path(&["phase", &idx, "groups", &group_idx, key])));
                }
            }
        }
        places
    }
}

/// A TOML value, whole numbers joined by plus signs, or a word.
fn value_of(text: &str) -> Value {
    let numbers: Option<Vec<Value>> =
        text.split('+').map(|number| Some(Value::Integer(number.parse().ok()?))).collect();
    match numbers {
        Some(numbers) if text.contains('+') => return Value::Array(numbers),
        _ => {}
    }
    let parsed = toml::from_str::<Table>(&format!("value = {text}"));
    let parsed = parsed.ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.into()))
}

/// The current value at a path; `None` for an impossible path.
fn slot<'a>(root: &'a Table, path: &[String]) -> Option<Option<&'a Value>> {
    let (last, before) = path.split_last()?;
    let mut table: Option<&Table> = Some(root);
    let mut list: Option<&Vec<Value>> = None;
    for part in before {
        let next = match (table, list) {
            (Some(table), _) => table.get(part),
            (None, Some(list)) => list.get(part.parse::<usize>().ok()?),
            (None, None) => return Some(None),
        };
        // A table is omitted if everything in it is as published.
        let Some(next) = next else { return Some(None) };
        (table, list) = (next.as_table(), next.as_array());
    }
    Some(table.and_then(|table| table.get(last)))
}

fn put(root: &mut Table, path: &[String], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        root.insert(first.clone(), value);
        return;
    }
    match root.entry(first.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(table) => put(table, rest, value),
        Value::Array(list) => {
            let [idx, rest @ ..] = rest else { return };
            let entry = idx.parse().ok().and_then(|idx: usize| list.get_mut(idx));
            if let Some(Value::Table(table)) = entry {
                put(table, rest, value);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Dataset;
    use crate::run::recipe::UpdateRule;
    use crate::run::schedule::Watched;

    fn changed(model: &str, assignment: &str) -> Result<Preset, String> {
        let mut preset = Preset::published(model, Dataset::Mosi).unwrap();
        preset.set(assignment).map(|()| preset)
    }

    #[test]
    fn everything_in_a_recipe_can_be_set() {
        for (model, assignment) in [
            ("almt", "token_len=4"),
            ("almt", "fusion=gru"),
            ("almt", "guides=1+3"),
            ("almt", "guides=1"),
            ("almt", "guides=[1]"),
            ("almt", "residual=paper"),
            ("almt", "main.rest.lr=1"),
            ("almt", "accumulate=4"),
            ("almt", "remainder=drop"),
            ("almt", "main.clip_norm=0.8"),
            ("almt", "main.schedule=constant"),
            ("almt", "main.schedule={ kind = \"plateau\", patience = 3 }"),
            ("almt", "main.schedule=plateau"),
            ("almt", "main.optimizer=sgd"),
            ("almt", "main.optimizer={ kind = \"rmsprop\", alpha = 0.9 }"),
            ("almt", "main.optimizer.amsgrad=true"),
            ("almt", "main.optimizer.betas=[0.8, 0.9]"),
            ("almt", "main.optimizer.eps=1"),
            ("almt", "main.clip_over=model"),
            ("almt", "main.rest.prefixes=fusion"),
            ("almt", "main.rest.suffixes=[\"bias\"]"),
            ("almt", "main.rest.except=[\"text\", \"audio\"]"),
            ("lmf", "rank=5"),
            ("lmf", "main.factors.prefixes=audio_factor"),
            ("lmf", "main.factors.lr=1e-2"),
            ("lmf", "untrained=[\"fusion_bias\"]"),
            ("tfn", "audio_dropout=0"),
            ("tfn", "patience=3"),
        ] {
            let found = changed(model, assignment).unwrap_or_else(|error| panic!("{error}"));
            assert_ne!(found, Preset::published(model, Dataset::Mosi).unwrap(), "{assignment}");
        }
    }

    #[test]
    fn what_a_rule_has_can_be_set_after_the_rule() {
        let mut preset = Preset::of(Dataset::Mosi);
        for assignment in [
            "main.optimizer=sgd",
            "main.optimizer.momentum=0.9",
            "main.schedule=plateau",
            "main.schedule.metric=loss",
            "main.schedule.patience=0",
            "main.schedule.factor=0.5",
        ] {
            preset.set(assignment).unwrap_or_else(|error| panic!("{error}"));
        }
        let phase = &preset.phases[0];
        assert_eq!(phase.optimizer, UpdateRule::Sgd { momentum: 0.9 });
        let (metric, factor, patience) = (Watched::Loss, 0.5, 0);
        assert_eq!(phase.schedule, Schedule::Plateau { metric, factor, patience });
    }

    #[test]
    fn wrong_assignments_are_named() {
        for (assignment, expected) in [
            ("token_len", "expected NAME=VALUE, found `token_len`"),
            ("token_lne=4", "is `token_len` meant?"),
            ("token_len=x", "`token_len`: expected a whole number above 0, found `x`"),
            ("token_len=-4", "`token_len`: expected a whole number above 0, found `-4`"),
            ("fusion=mean", "`fusion`: "),
            ("main.rest.lr=fast", "`main.rest.lr`: expected a number, found `fast`"),
            ("main.rest.lr=-1", "main.rest.lr: expected a number of 0 or more, found -1"),
            ("main.rest.lr=nan", "main.rest.lr: expected a number of 0 or more, found NaN"),
            ("main.clip_norm=0.0", "main.clip_norm: expected a number above 0, found 0"),
            ("accumulate=0", "accumulate: expected a whole number above 0"),
            ("patience=0", "patience: expected a whole number above 0, found 0"),
            ("main.optimizer=lion", "`main.optimizer`: unknown variant `lion`"),
            ("main.optimizer.momentum=0.9", "unknown key `main.optimizer.momentum`"),
            ("main.optimizer.betas=[0.8, 2.0]", "main.optimizer.betas: expected shares below 1"),
            ("main.clip_over=all", "`main.clip_over`: unknown variant `all`"),
            ("main.schedule.share=0.2", "unknown key `main.schedule.share`"),
            ("lr=1", "unknown key `lr`: is `main.rest.lr` meant?"),
            ("train_fusion_weights=true", ": is `untrained` meant?"),
            ("decay=decoupled", "unknown key `decay`: is `main.optimizer` meant?"),
            ("update_epochs=4", ": is `accumulate` meant?"),
            (
                "main.schedule={ kind = \"linear-warmup\", share = 2.0 }",
                "main.schedule.share: expected a share below 1, found 2",
            ),
        ] {
            let error = changed("almt", assignment).unwrap_err();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }
}
