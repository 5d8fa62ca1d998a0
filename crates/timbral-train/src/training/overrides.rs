//! Fields of a configuration by dotted name, and names that were meant.

use toml::{Table, Value};

/// Fields of a member that may be set for all members at once, without naming one.
const OF_MEMBERS: [&str; 4] = ["architecture", "copies", "training", "trunk"];

/// Splits `name=value`. The value is TOML; what is none is taken as text, so that a word needs no quotes.
pub(super) fn parse(assignment: &str) -> Result<(&str, Value), String> {
    let (name, value) = assignment
        .split_once('=')
        .ok_or_else(|| format!("{assignment:?} has no `=`: name=value is expected"))?;
    let (name, text) = (name.trim(), value.trim());
    if name.is_empty() || name.split('.').any(str::is_empty) {
        return Err(format!("{name:?} is no dotted name of a field"));
    }
    let value = toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    Ok((name, value))
}

/// Sets the field `name` of a run configuration. A member is named by its place or its name; a name that starts below a
/// member sets the field of all of them.
pub(super) fn set(config: &mut Table, name: &str, value: &Value) -> Result<(), String> {
    let path: Vec<&str> = name.split('.').collect();
    if path.first().is_some_and(|first| OF_MEMBERS.contains(first)) {
        let Some(Value::Array(members)) = config.get_mut("members") else {
            return Err("the configuration has no members".into());
        };
        return members.iter_mut().try_for_each(|member| set_in(member, &path, value));
    }
    let mut root = Value::Table(std::mem::take(config));
    let outcome = set_in(&mut root, &path, value);
    if let Value::Table(table) = root {
        *config = table;
    }
    outcome
}

pub(crate) fn set_in(place: &mut Value, path: &[&str], value: &Value) -> Result<(), String> {
    let Some((&first, rest)) = path.split_first() else {
        *place = value.clone();
        return Ok(());
    };
    match place {
        Value::Table(table) => {
            // The fields of another kind of network are other fields: all go back to their defaults.
            if first == "type" && rest.is_empty() && table.get("type").is_some_and(|old| old != value) {
                table.clear();
            }
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            set_in(inner, rest, value)
        }
        Value::Array(items) => {
            let index = first
                .parse()
                .ok()
                .filter(|&index: &usize| index < items.len())
                .or_else(|| items.iter().position(|item| name_of(item) == Some(first)));
            match index {
                Some(index) => set_in(&mut items[index], rest, value),
                None => {
                    let names: Vec<&str> = items.iter().filter_map(name_of).collect();
                    let known = match nearest(first, names.iter().copied()) {
                        Some(name) => format!("the nearest name is {name:?}"),
                        None => format!("there are {} entries", items.len()),
                    };
                    Err(format!("{first:?} names no entry: {known}"))
                }
            }
        }
        other => Err(format!("there is no field {first:?} within a value of type {}", other.type_str())),
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// A message about an unknown field or variant with the nearest of the known names, which serde lists in backquotes.
pub(crate) fn with_nearest(message: &str) -> String {
    let message = message.trim_end();
    let start = ["unknown field `", "unknown variant `"].iter().find_map(|phrase| message.find(phrase));
    let Some(start) = start else {
        return message.to_owned();
    };
    let line = message[start..].lines().next().unwrap_or_default();
    let mut names = line.split('`').skip(1).step_by(2);
    let nearest = names.next().and_then(|unknown| nearest(unknown, names));
    match nearest {
        Some(name) => format!("{message}; the nearest known name is `{name}`"),
        None => message.to_owned(),
    }
}

/// The name that takes the fewest edits; of equals the first.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.min_by_key(|name| edits(given, name))
}

/// Levenshtein's distance with swaps of neighbours counted once (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: &Vec<usize> = &before;
                least = least.min(swapped[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("epoch", "epochs", 1),
            ("kitten", "sitting", 3),
            ("epohcs", "epochs", 1),
            ("schedule", "learning_rate", 12),
        ] {
            assert_eq!(edits(a, b), count, "{a} {b}");
            assert_eq!(edits(b, a), count, "{b} {a}");
        }
    }

    #[test]
    fn values_are_toml_or_text() {
        let value = |text: &str| parse(text).unwrap().1;
        assert_eq!(value("a=5"), Value::Integer(5));
        assert_eq!(value("a.b = 1e-3"), Value::Float(1e-3));
        assert_eq!(value("a=true"), Value::Boolean(true));
        assert_eq!(value("a=[1, 2]"), Value::Array(vec![1.into(), 2.into()]));
        assert_eq!(value("a=one_cycle"), Value::String("one_cycle".into()));
        assert_eq!(value("a=\"5\""), Value::String("5".into()));
        assert_eq!(value("a=x=y"), Value::String("x=y".into()));
        // No second field can be smuggled in.
        assert_eq!(value("a=1\nb = 2"), Value::String("1\nb = 2".into()));
        assert!(parse("a").is_err() && parse("=1").is_err() && parse("a..b=1").is_err());
    }
}
