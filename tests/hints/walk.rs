//! Makes the calls that a hint names.
//!
//! A road is a list of calls, made in its own folder. A step changes it as the hint says: an option is
//! added to the last call that accepts it, with each of its values; a call replaces the last one. The
//! step succeeds if the road ends well, or with another message; a road that was walked before is a
//! circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Next, Row, rows};
use crate::support::{Call, almt};

/// A list of calls, each a list of words.
type Road = Vec<Vec<String>>;

/// Roads longer than this are no help to anybody.
const LONGEST: usize = 5;

/// What the help of a command says of its options: whether they take a value, and which.
type Options = BTreeMap<String, Option<Vec<String>>>;

fn options(command: &str) -> Options {
    static KNOWN: Mutex<BTreeMap<String, Options>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry(command.into()).or_insert_with(|| read_options(command)).clone()
}

fn read_options(command: &str) -> Options {
    let help = almt(Path::new("."), &[command, "--help"]).ok().stdout();
    let mut found = Options::new();
    for line in help.lines().map(str::trim_start).filter(|line| line.starts_with('-')) {
        let mut names = Vec::new();
        let mut value = None;
        for word in line.split("  ").next().unwrap_or_default().split([' ', ',']) {
            if word.starts_with('-') {
                names.push(word.to_owned());
            } else if let Some(name) = word.strip_prefix('<').or(word.strip_prefix("[<")) {
                value = Some(name.trim_end_matches(['>', ']', '.']).to_owned());
            }
        }
        let values = value.map(|value| value.split('|').map(str::to_owned).collect());
        names.into_iter().for_each(|name| _ = found.insert(name, values.clone()));
    }
    found
}

/// The texts between backticks.
fn codes(hint: &str) -> Vec<&str> {
    hint.split('`').skip(1).step_by(2).collect()
}

/// The roads that a hint sends to from `road`.
fn steps(hint: &str, road: &Road, given: &[(&str, &str)]) -> Vec<Road> {
    let given = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let mut found = Vec::new();
    // The option that bare words after it are further values of.
    let mut last: Option<String> = None;
    for code in codes(hint) {
        if let Some(call) = given(code).filter(|_| !code.starts_with('-')) {
            let mut next = road.clone();
            next.pop();
            next.push(call.split_whitespace().map(str::to_owned).collect());
            found.push(next);
            continue;
        }
        let code =
            code.split_once(" --").filter(|_| code.starts_with("without ")).map_or(code, |c| c.1);
        if let Some(call) = code.strip_prefix("almt-data ") {
            let words = call.split_whitespace();
            let words = words.map(|word| given(word).unwrap_or(word).to_owned()).collect();
            let mut next = road.clone();
            next.pop();
            next.push(words);
            found.push(next);
            continue;
        }
        let (option, value) = match code.split_once(' ') {
            Some((option, value)) if option.starts_with('-') => {
                (option, Some(given(code).unwrap_or(value)))
            }
            None if code.starts_with('-') => (code, given(code)),
            None => match &last {
                Some(option) => (option.as_str(), Some(code)),
                None => continue,
            },
            Some(_) => continue,
        };
        let option = option.to_owned();
        let at = road.iter().rposition(|call| options(&call[0]).contains_key(&option));
        let Some(at) = at else {
            let is_word = last.as_deref() == Some(&*option);
            assert!(is_word, "no call of {road:?} has the option `{option}` of «{hint}»");
            continue;
        };
        let known = options(&road[at][0])[&option].clone();
        let is_listed = known.as_ref().is_some_and(|known| known.len() > 1);
        let bare = last.as_deref() == Some(&*option) && !code.starts_with('-');
        if bare && !known.as_ref().is_some_and(|known| known.iter().any(|all| all == code)) {
            // A word of another kind, such as the name of a key.
            continue;
        }
        // Whether it is taken away is said by the word before it.
        let is_without = [format!("without `{option}`"), format!("omit `{option}`")]
            .iter()
            .any(|words| hint.contains(words));
        let values: Vec<Option<String>> = match (value, &known) {
            (_, None) => vec![None],
            _ if is_without => vec![None],
            (Some(value), Some(_)) => value.split('|').map(|all| Some(all.to_owned())).collect(),
            (None, Some(_)) => panic!("the row has no value for `{option}` of «{hint}»"),
        };
        for value in values {
            let mut next = road.clone();
            let call = &mut next[at];
            if let Some(place) = call.iter().position(|word| *word == option) {
                let n_words = if value.is_some() || is_without && known.is_some() { 2 } else { 1 };
                call.drain(place..(place + n_words).min(call.len()));
            }
            if !is_without {
                call.push(option.clone());
                // The value may be followed by more options.
                let words = value.iter().flat_map(|value| value.split_whitespace());
                call.extend(words.map(str::to_owned));
            }
            found.push(next);
        }
        if is_listed {
            last = Some(option);
        }
    }
    found
}

/// Copies what is in a folder.
fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Makes the calls of a road from what lies in `made`; the last one's outcome, or that of the first
/// that fails.
fn run(made: &Path, road: &Road) -> Call {
    let folder = tempfile::tempdir().unwrap();
    copy(made, folder.path());
    let mut outcome = None;
    for call in road {
        let words: Vec<&str> = call.iter().map(String::as_str).collect();
        let made = almt(folder.path(), &words);
        let failed = made.code() != 0;
        outcome = Some(made);
        if failed {
            break;
        }
    }
    outcome.expect("a road has calls")
}

/// What was printed as hints: lines of errors, or of findings.
fn hints(call: &Call) -> Vec<String> {
    let (out, err) = (call.stdout(), call.stderr());
    let lines = err.lines().chain(out.lines());
    lines.filter_map(|line| line.trim_start().strip_prefix("hint: ")).map(str::to_owned).collect()
}

/// The message of a call that failed.
fn message(call: &Call) -> String {
    call.stderr().lines().next().unwrap_or_default().to_owned()
}

/// Follows one hint to its end.
fn follow(
    row: &Row,
    made: &Path,
    hint: &str,
    road: &Road,
    before: &str,
    walked: &mut BTreeSet<Road>,
) {
    let Next::Walk(given) = &row.next else { return };
    for next in steps(hint, road, given) {
        let is_new = walked.insert(next.clone());
        assert!(is_new, "«{hint}» of {road:?} sends back to {next:?}");
        assert!(walked.len() <= 64, "«{}» leads to ever more calls", row.hint);
        let outcome = run(made, &next);
        let explain = || format!("«{hint}» of {road:?}\n{}", outcome.explain());
        assert!([0, 1].contains(&outcome.code()), "{}", explain());
        if outcome.code() == 0 {
            walked.remove(&next);
            continue;
        }
        let now = message(&outcome);
        // A call that says more beside the same refusal, as an explanation does, leads on.
        let says_more = !outcome.stdout().is_empty();
        assert!(says_more || now != before, "leads to the same refusal: {}", explain());
        assert!(walked.len() < LONGEST + 1, "leads on and on: {}", explain());
        for hint in hints(&outcome) {
            if !steps_is_empty(&hint, &next, given) {
                follow(row, made, &hint, &next, &now, walked);
            }
        }
        walked.remove(&next);
    }
}

/// Whether a hint further down the road names nothing that the row has values for: what it asks is
/// the business of its own row.
fn steps_is_empty(hint: &str, road: &Road, given: &[(&str, &str)]) -> bool {
    let named = |code: &&str| code.starts_with('-') || code.starts_with("almt-data ");
    let answered = |code: &str| {
        let option = code.split(' ').next().unwrap_or_default();
        let known = road.iter().any(|call| options(&call[0]).contains_key(option));
        given.iter().any(|(key, _)| *key == code) || code.contains(' ') && known
    };
    !codes(hint).into_iter().filter(named).any(answered)
}

#[test]
fn every_hint_is_reached_and_leads_on() {
    let mut failed = Vec::new();
    for row in rows() {
        if matches!(row.next, Next::Elsewhere(_)) {
            continue;
        }
        let result = std::panic::catch_unwind(|| {
            let road: Road = row
                .calls
                .iter()
                .map(|call| call.split_whitespace().map(str::to_owned).collect())
                .collect();
            let made = tempfile::tempdir().unwrap();
            (row.make)(made.path());
            let outcome = run(made.path(), &road);
            let found = hints(&outcome);
            let hint = found.iter().find(|hint| hint.contains(row.hint));
            let hint = hint.unwrap_or_else(|| panic!("no «{}»\n{}", row.hint, outcome.explain()));
            let names_more = !codes(hint)
                .iter()
                .all(|code| !code.starts_with('-') && !code.starts_with("almt-data "));
            let is_hands = matches!(row.next, Next::Hands);
            assert_eq!(!names_more, is_hands, "the row of «{hint}» says it otherwise");
            if let Next::Walk(given) = &row.next {
                assert!(!steps(hint, &road, given).is_empty(), "«{hint}» names nothing");
            }
            let mut walked = BTreeSet::from([road.clone()]);
            follow(row, made.path(), hint, &road, &message(&outcome), &mut walked);
        });
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| text.to_string()));
            failed.push(format!("«{}»: {}", row.hint, text.unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{} rows:\n{}", failed.len(), failed.join("\n\n"));
}

#[test]
fn a_hint_that_sends_back_is_found() {
    let road: Road = vec![["convert", "x.pkl"].map(String::from).to_vec()];
    let with = |hint: &str, road: &Road| steps(hint, road, &[]);
    let zero = with("`--on-nonfinite zero` or `mean` replaces them, `keep` copies", &road);
    let last = |road: &Road| road[0].last().unwrap().clone();
    assert_eq!(zero.iter().map(last).collect::<Vec<_>>(), ["zero", "mean", "keep"]);
    // A second option takes the place of the first, so that the circle closes.
    let keep = with("`--on-nonfinite keep` copies them", &zero[0]);
    let again = with("`--on-nonfinite zero` makes them 0", &keep[0]);
    assert_eq!(again, [zero[0].clone()]);
    assert_eq!(with("without `--on-nonfinite` it goes on", &zero[0]), [road]);
}
