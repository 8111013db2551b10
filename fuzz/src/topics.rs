//! Section 4.7 in the plainest words there are, to compare `mqtt-proto` with.

/// A topic name: something, without wildcards.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 65_535 && name.chars().all(|c| !matches!(c, '+' | '#' | '\0'))
}

/// A topic filter of 5.0: wildcards fill their level, `#` fills the last one, and `$share/` is followed by name and filter.
pub fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.len() > 65_535 || filter.contains('\0') {
        return false;
    }
    let levels: Vec<&str> = filter.split('/').collect();
    let alone = |level: &&str| !level.contains(['+', '#']) || level.len() == 1;
    let last = levels.len() - 1;
    let wildcards =
        levels.iter().all(alone) && levels.iter().position(|&level| level == "#").is_none_or(|at| at == last);
    let shared = match levels[..] {
        ["$share"] => true,
        ["$share", name, ref rest @ ..] => {
            !name.is_empty() && !name.contains(['+', '#']) && !rest.is_empty() && rest != [""]
        }
        _ => true,
    };
    wildcards && shared
}

/// Whether a valid filter matches a valid name.
pub fn matches(filter: &str, name: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    let filter = match filter[..] {
        ["$share", _, ref rest @ ..] => rest,
        _ => &filter[..],
    };
    let wild = filter.first().is_some_and(|level| matches!(*level, "+" | "#"));
    !(wild && name[0].starts_with('$')) && levels_match(filter, &name)
}

fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, name @ ..]) => levels_match(filter, name),
        ([level, filter @ ..], [found, name @ ..]) => level == found && levels_match(filter, name),
        _ => false,
    }
}
