//! Layers, references and reports, on small files. The expected values were taken from oslo.config
//! itself.

use super::*;

fn config(files: &[&str]) -> Config {
    let mut config = Config::new();
    for (index, text) in files.iter().enumerate() {
        config.add_file(&format!("{index}.conf"), text.as_bytes()).unwrap();
    }
    config
}

fn check(files: &[&str], option: (&str, &str), expected: Result<Option<Value>, &str>) {
    let def = options::find(option.0, option.1).unwrap();
    let found = config(files).get(def).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{files:?} {option:?}");
}

fn text(value: &str) -> Result<Option<Value>, &str> {
    Ok(Some(Value::Text(value.to_owned())))
}

const ENDPOINT: (&str, &str) = ("DEFAULT", "public_endpoint");

#[test]
fn the_last_file_and_line_win() {
    check(&[], ENDPOINT, Ok(None));
    check(&["[DEFAULT]\npublic_endpoint=a\npublic_endpoint=b\n"], ENDPOINT, text("b"));
    let (first, second) = ("[DEFAULT]\npublic_endpoint=a\n", "[DEFAULT]\npublic_endpoint=b\n");
    check(&[first, second], ENDPOINT, text("b"));
    check(&[first, "[DEFAULT]\ndebug=1\n"], ENDPOINT, text("a"));
}

#[test]
fn older_names_count_within_their_file() {
    let option = ("DEFAULT", "log_file");
    check(&["[DEFAULT]\nlogfile=old\n"], option, text("old"));
    check(&["[DEFAULT]\nlog_file=new\nlogfile=old\n"], option, text("new"));
    check(&["[DEFAULT]\nlog_file=new\n", "[DEFAULT]\nlogfile=old\n"], option, text("old"));
}

#[test]
fn repeated_options_keep_every_line() {
    let option = ("glance_store", "filesystem_store_datadirs");
    let first = "[glance_store]\nfilesystem_store_datadirs=/a\nfilesystem_store_datadirs=/b:2\n";
    let second = "[glance_store]\nfilesystem_store_datadirs=/c\n";
    let lines = ["/a", "/b:2", "/c"].map(str::to_owned).to_vec();
    check(&[first, second], option, Ok(Some(Value::List(lines))));
}

#[test]
fn fills_in_references() {
    let with = |value: &str| format!("[DEFAULT]\npublic_endpoint={value}\nlog_dir=/var/log\n");
    check(&[&with("$log_dir/x")], ENDPOINT, text("/var/log/x"));
    check(&[&with("${log_dir}x")], ENDPOINT, text("/var/logx"));
    check(
        &[&with("$DEFAULT.log_dir")],
        ENDPOINT,
        Err("0.conf:2: [DEFAULT] public_endpoint: no such option: $DEFAULT.log_dir"),
    );
    check(&[&with("${paste_deploy.flavor}-$debug")], ENDPOINT, text("-False"));
    check(&[&with("$wakeup_time/$disabled_notifications")], ENDPOINT, text("300/[]"));
    check(&[&with("${wsgi.task_pool_threads}$$\\$")], ENDPOINT, text("16$$"));
    check(&[&with("${image_format.vmdk_allowed_types}")], ENDPOINT, {
        text("['streamOptimized', 'monolithicSparse']")
    });
    let outside = "[DEFAULT]\nlog_dir=/l\n[wsgi]\npython_interpreter=$log_dir/$task_pool_threads\n";
    check(&[outside], ("wsgi", "python_interpreter"), text("/l/16"));
}

#[test]
fn refuses_references_that_lead_nowhere() {
    let prefix = "0.conf:2: [DEFAULT] public_endpoint: ";
    let refused = |value: &str, fault: &str| {
        let file =
            format!("[DEFAULT]\npublic_endpoint={value}\nlog_dir=$log_dir\nlog_file=$debug\n");
        let expected = format!("{prefix}{fault}");
        check(&[&file], ENDPOINT, Err(&expected));
    };
    refused("$nope", "no such option: $nope");
    refused("${nope.x}", "no such option: $nope.x");
    refused("$public_endpoint", "references go round in a circle");
    refused("$log_dir", "references go round in a circle");
}

#[test]
fn bounds_what_references_may_grow_to() {
    let many = "$log_dir".repeat(200);
    let file = format!("[DEFAULT]\npublic_endpoint={many}\nlog_dir={}\n", "x".repeat(400));
    let fault = format!("more than {CONFIG_VALUE_BYTES_MAX} bytes long");
    let expected = format!("0.conf:2: [DEFAULT] public_endpoint: {fault}");
    check(&[&file], ENDPOINT, Err(&expected));
}

#[test]
fn names_what_is_not_honoured_once() {
    let file = "[DEFAULT]\ndebug=1\nimage_cache_dir=/c\nunknown=1\nenabled_backends=Fast:file\n\
                [fast]\nfilesystem_store_datadir=/d\nnonsense=1\n";
    let found: Vec<_> = config(&[file, "[DEFAULT]\nimage_cache_dir=/d\n"])
        .not_honoured()
        .into_iter()
        .map(|(place, name)| format!("{place} {name}"))
        .collect();
    let expected = [
        "0.conf:3 [DEFAULT] image_cache_dir",
        "0.conf:5 [DEFAULT] enabled_backends",
        "0.conf:7 [fast] filesystem_store_datadir",
    ];
    assert_eq!(found, expected);
}

#[test]
fn names_older_names_in_use() {
    let found = config(&["[DEFAULT]\nlogdir=/x\ndisk_formats=raw\nlog_file=y\n"]).deprecated();
    let found: Vec<_> =
        found.into_iter().map(|(place, old, new)| format!("{place} {old} {new}")).collect();
    let expected = [
        "0.conf:2 [DEFAULT] logdir [DEFAULT] log_dir",
        "0.conf:3 [DEFAULT] disk_formats [image_format] disk_formats",
    ];
    assert_eq!(found, expected);
}

/// Text made of the pieces that matter to the reader, in every order a small generator comes to.
#[test]
fn no_text_makes_it_panic() {
    const PIECES: [&str; 26] = [
        "[",
        "]",
        "[DEFAULT]",
        "[paste_deploy]",
        "debug",
        "flavor",
        "public_endpoint",
        "=",
        ":",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "#",
        "\"",
        "'",
        "$",
        "${",
        "}",
        "$log_dir",
        "log_dir",
        "$public_endpoint",
        "\\$",
        "\u{1F980}",
        "7",
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut read = 0;
    for _ in 0..20_000 {
        let length = draw(24);
        let mut text: String = (0..length).map(|_| PIECES[draw(PIECES.len())]).collect();
        if draw(2) == 0 {
            text.insert_str(0, "[DEFAULT]\npublic_endpoint=");
        }
        let mut config = Config::new();
        if config.add_file("random.conf", text.as_bytes()).is_ok() {
            read += 1;
            for option in options::all().filter(|option| option.is_honoured()) {
                let _ = config.get(option);
            }
            let _ = (config.not_honoured(), config.deprecated());
        }
    }
    assert!(read > 1000, "only {read} of the texts were configuration");
}
