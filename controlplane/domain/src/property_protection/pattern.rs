//! Python's regular expressions in the words of the engine used here.
//!
//! Both agree but for a few signs: those are rewritten where they can be, and refused by name where
//! they cannot. Lookaround, backreferences, conditions and possessive repetition can be had.

use fancy_regex::{Regex, RegexBuilder};

/// Most steps of one match that has to try alternatives one by one. Names are short; a pattern that
/// needs more would hold every request up.
const STEPS_MAX: usize = 100_000;

/// Compiles the expression.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let rewritten = rewrite(pattern)?;
    let regex = RegexBuilder::new(&rewritten).backtrack_limit(STEPS_MAX).build();
    regex.map_err(|error| format!("not a regular expression: {error}"))
}

/// Rewrites what means something else here.
fn rewrite(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    // Whether within a character class, and whether its first member is still to come.
    let (mut class, mut first) = (false, false);
    while let Some(char) = rest.next() {
        match char {
            '\\' => {
                let Some(escaped) = rest.next() else {
                    return Err("it ends with a backslash".to_owned());
                };
                match escaped {
                    'Z' if !class => out.push_str("\\z"),
                    'N' => return Err("characters by name (\\N) cannot be had".to_owned()),
                    // These mean something here and are errors in Python.
                    'z' | 'p' | 'P' | 'h' | 'H' | 'K' | 'G' | 'R' | 'X' | 'O' | 'e' | 'Q' | 'E' => {
                        return Err(format!("bad escape \\{escaped}"));
                    }
                    _ => out.extend(['\\', escaped]),
                }
                first = false;
            }
            '[' if !class => {
                class = true;
                first = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' if class && !first => {
                class = false;
                out.push(']');
            }
            // Within a class these are themselves in Python, and operators here.
            '[' | ']' | '&' | '~' if class => {
                out.extend(['\\', char]);
                first = false;
            }
            '(' if !class => {
                out.push('(');
                check_flags(rest.clone())?;
            }
            _ => {
                out.push(char);
                first = false;
            }
        }
    }
    Ok(out)
}

/// Refuses flags that cannot be had; `rest` is what follows a parenthesis.
fn check_flags(mut rest: impl Iterator<Item = char>) -> Result<(), String> {
    if rest.next() != Some('?') {
        return Ok(());
    }
    let flags: String = rest.take_while(char::is_ascii_alphabetic).collect();
    match flags.chars().find(|flag| "aL".contains(*flag)) {
        Some(flag) if flags.chars().all(|flag| "aiLmsux".contains(flag)) => {
            Err(format!("the flag {flag} cannot be had"))
        }
        _ => Ok(()),
    }
}
