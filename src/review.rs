//! `glint config`: what a configuration comes to, and a file to begin with.
//!
//! Leaves what options mean to `glint-config`. Invariant: nothing secret is written.

use crate::cli::ConfigCommand;
use crate::configuration;
use crate::exit::Failure;
use glint_config::{Config, Kind as Type, OptionDef, options};
use std::collections::BTreeMap;
use std::io::Write;

/// Plays the role.
pub(crate) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check { common, all } => {
            let config = configuration::load(&configuration::of_service(&common.sources))?;
            write(&checked(&config, *all));
            match config.faults().len() {
                0 => configuration::read(common).map(|_| ()),
                count => Err(Failure::configuration(format!("{count} values cannot be used"))),
            }
        }
        ConfigCommand::Sample => {
            write(&sample());
            Ok(())
        }
    }
}

fn write(text: &str) {
    // Whoever closed standard output does not want to read this.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What the files set, or every option, as a file would say it; and before it what is odd.
fn checked(config: &Config, all: bool) -> String {
    let mut text = String::new();
    for remark in configuration::remarks(config) {
        text += &format!("# warning: {remark}\n");
    }
    for fault in config.faults() {
        text += &format!("# error: {fault}\n");
    }
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in config.effective() {
        if !all && one.place.is_none() {
            continue;
        }
        let value = one.text.as_deref().unwrap_or_default().replace('\n', "\n    ");
        let place = one.place.map_or_else(|| "default".to_owned(), |place| place.to_string());
        let lines = groups.entry(one.option.group).or_default();
        lines.push(format!("# {place}\n{} = {value}\n", one.option.name));
    }
    text + &rendered(&groups)
}

/// Every option that means something here, commented out, with its type and default.
fn sample() -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for option in options::all().filter(|option| option.why_without_meaning().is_none()) {
        let mut lines = format!("# {}", typed(option));
        if !option.is_honoured() {
            lines += "; does not act yet";
        }
        for (group, name) in option.deprecated {
            lines += &format!("; was [{group}] {name}");
        }
        let default = option.default.unwrap_or_default();
        lines += &format!("\n#{} = {default}\n", option.name);
        groups.entry(option.group).or_default().push(lines);
    }
    rendered(&groups)
}

fn rendered(groups: &BTreeMap<&str, Vec<String>>) -> String {
    // Capitals sort before the rest, so that `DEFAULT` comes first.
    let group = |(name, lines): (&&str, &Vec<String>)| format!("\n[{name}]\n{}", lines.concat());
    groups.iter().map(group).collect()
}

/// The type of an option in words.
fn typed(option: &OptionDef) -> String {
    let bounds = |least: Option<String>, most: Option<String>| match (least, most) {
        (None, None) => String::new(),
        (Some(least), None) => format!(" from {least}"),
        (None, Some(most)) => format!(" up to {most}"),
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
    };
    let text = |number: Option<f64>| number.map(|number| number.to_string());
    match option.kind {
        Type::Text => "text".to_owned(),
        Type::Choice(words) | Type::ChoiceAnyCase(words) => format!("one of {}", words.join(", ")),
        Type::Host => "address or host name".to_owned(),
        Type::Bool => "true or false".to_owned(),
        Type::Int { least, most } => {
            let text = |number: Option<i128>| number.map(|number| number.to_string());
            format!("whole number{}", bounds(text(least), text(most)))
        }
        Type::Float { least, most } => format!("number{}", bounds(text(least), text(most))),
        Type::List => "a,b,c".to_owned(),
        Type::Numbers => "1,2,3".to_owned(),
        Type::Bracketed(_) => "[a,b,c]".to_owned(),
        Type::Dict => "name:value,name:value".to_owned(),
        Type::Lines => "text; may be repeated".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        let mut config = Config::new();
        config.add_file("f", text.as_bytes()).expect("valid lines");
        config
    }

    #[test]
    fn the_sample_is_a_configuration_that_sets_nothing() {
        let config = config(&sample());
        assert!(config.effective().iter().all(|one| one.place.is_none()));
        assert!(sample().contains("\n[DEFAULT]\n"));
    }

    #[test]
    fn the_sample_uncommented_says_the_defaults() {
        let lines = sample();
        let set: String = lines
            .lines()
            .map(|line| {
                line.strip_prefix('#')
                    .filter(|rest| {
                        !rest.starts_with(' ') && rest.contains(" = ") && !rest.ends_with(" = ")
                    })
                    .unwrap_or(line)
                    .to_owned()
                    + "\n"
            })
            .collect();
        let config = config(&set);
        let faults: Vec<String> = config.faults().iter().map(ToString::to_string).collect();
        assert_eq!(faults, Vec::<String>::new());
        assert!(config.unknown().is_empty());
    }

    #[test]
    fn a_check_shows_values_places_and_what_is_odd() {
        let text = "[DEFAULT]\nworkers = 3\napi_limit_maxx = 5\ndebug = x\nuse_json = on\n\
                    [database]\nconnection = mysql://u:secret@h/d\n";
        let shown = checked(&config(text), false);
        for expected in [
            "# warning: f:3: [DEFAULT] api_limit_maxx is not known; did you mean [DEFAULT] \
             api_limit_max?\n",
            "# warning: f:2: [DEFAULT] workers has no meaning here: ",
            "# warning: f:5: [DEFAULT] use_json is not yet honoured\n",
            "# error: f:4: [DEFAULT] debug: ",
            "\n[database]\n# f:7\nconnection = mysql://u:****@h/d\n",
        ] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains("limit_param_default"), "{shown}");
        assert!(checked(&config(text), true).contains("\n# default\nlimit_param_default = 25\n"));
    }
}
