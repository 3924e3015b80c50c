//! From the sections of a paste file to one pipeline (`paste/deploy/loadwsgi.py`, `ConfigLoader`).
//!
//! Invariant: loading ends: sections refer to one another at most [`REFERENCES_MAX`] times in one
//! pipeline.

use super::known::{self, AppKind, CompositeKind};
use super::{Filter, Mount, PasteError, PasteFault, PasteFile, Pipeline};
use std::collections::BTreeMap;

/// Most sections looked up for one pipeline. Glance's own file needs 15.
const REFERENCES_MAX: usize = 128;

/// Deepest that a value's `%(name)s` lead on to further ones (`configparser`,
/// `MAX_INTERPOLATION_DEPTH`), and most of them in one value.
const SUBSTITUTION_DEPTH_MAX: usize = 10;
const SUBSTITUTIONS_MAX: usize = 1000;

type Options = BTreeMap<String, String>;

/// The pipeline of a flavor.
pub(super) fn pipeline(file: &PasteFile, flavor: Option<&str>) -> Result<Pipeline, PasteError> {
    let name = match flavor {
        Some(flavor) => format!("glance-api-{flavor}"),
        None => "glance-api".to_owned(),
    };
    let mut loader = Loader { file, flavor: flavor.unwrap_or("default"), references: 0 };
    let mut loaded = loader.app(&name, &Options::new())?;
    if !loaded.is_api {
        return Err(loader.fault(&name, PasteFault::NoApi));
    }
    loaded.beside.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
    Ok(Pipeline { filters: loaded.filters, beside: loaded.beside })
}

struct Loader<'a> {
    file: &'a PasteFile,
    flavor: &'a str,
    references: usize,
}

/// A section with everything that `use` brings in.
struct Used {
    /// The section's own name, for errors.
    section: String,
    factory: String,
    globals: Options,
    locals: Options,
}

/// An application with what is in front of it and beside it.
struct Loaded {
    filters: Vec<Filter>,
    beside: Vec<Mount>,
    /// Whether it leads to the image API.
    is_api: bool,
    /// What it is, where it is one thing.
    app: AppKind,
    options: Options,
}

/// Prefixes of sections, in the groups in which PasteDeploy looks for them.
const APPS: &[&[&str]] =
    &[&["app", "application"], &["composite", "composit"], &["pipeline"], &["filter-app"]];
const FILTERS: &[&[&str]] = &[&["filter"]];

// === impl Loader ===

impl Loader<'_> {
    fn app(&mut self, name: &str, globals: &Options) -> Result<Loaded, PasteError> {
        let section = self.find(APPS, name)?;
        let (mut globals, mut locals) = self.options(&section, globals)?;
        let outer = locals.remove("filter-with");
        let kind = section.split(':').next().unwrap_or_default().to_owned();
        let mut loaded = match kind.as_str() {
            "pipeline" => self.pipeline(&section, locals, &globals)?,
            "filter-app" => {
                let next = self.take(&section, &mut locals, "next")?;
                let used = self.used(FILTERS, section, &mut globals, locals)?;
                let mut loaded = self.app(&next, &used.globals)?;
                loaded.filters.insert(0, self.made_filter(name, used)?);
                loaded
            }
            _ => {
                let used = self.used(APPS, section, &mut globals, locals)?;
                self.made_app(used)?
            }
        };
        if let Some(outer) = outer {
            loaded.filters.insert(0, self.filter(&outer, &globals)?);
        }
        Ok(loaded)
    }

    fn made_app(&mut self, used: Used) -> Result<Loaded, PasteError> {
        match known::composite(&used.factory) {
            Some(CompositeKind::UrlMap) => return self.url_map(used),
            Some(CompositeKind::Flavors) => {
                let mut locals = used.locals;
                let names = locals.remove(self.flavor).ok_or_else(|| {
                    self.fault(&used.section, PasteFault::NoFlavor(self.flavor.to_owned()))
                })?;
                return self.in_order(&used.section, &names, &used.globals);
            }
            None => {}
        }
        let app = known::app(&used.factory)
            .ok_or_else(|| self.fault(&used.section, PasteFault::Unknown(used.factory.clone())))?;
        let options = together(used.globals, used.locals);
        let is_api = app == AppKind::Api;
        Ok(Loaded { filters: Vec::new(), beside: Vec::new(), is_api, app, options })
    }

    /// `/path: name`; what leads to the API is the way of a request, the rest stands beside it.
    fn url_map(&mut self, used: Used) -> Result<Loaded, PasteError> {
        let mut api: Option<Loaded> = None;
        let mut beside = Vec::new();
        for (path, name) in &used.locals {
            if path == "not_found_app" {
                return Err(self.fault(&used.section, PasteFault::Extra(path.clone())));
            }
            let loaded = self.app(name, &used.globals)?;
            if loaded.is_api && api.is_none() {
                api = Some(loaded);
            } else if !loaded.is_api {
                let Loaded { filters, app, options, .. } = loaded;
                let path = path.trim_end_matches('/').to_owned();
                beside.push(Mount { path, app, filters, options });
            }
        }
        let mut api = api.ok_or_else(|| self.fault(&used.section, PasteFault::NoApi))?;
        api.beside.extend(beside);
        Ok(api)
    }

    fn pipeline(
        &mut self,
        section: &str,
        mut locals: Options,
        globals: &Options,
    ) -> Result<Loaded, PasteError> {
        let names = self.take(section, &mut locals, "pipeline")?;
        if let Some(extra) = locals.into_keys().next() {
            return Err(self.fault(section, PasteFault::Extra(extra)));
        }
        self.in_order(section, &names, globals)
    }

    /// Filters and, last, the application behind them.
    fn in_order(
        &mut self,
        section: &str,
        names: &str,
        globals: &Options,
    ) -> Result<Loaded, PasteError> {
        let mut names: Vec<&str> = names.split_whitespace().collect();
        let app = names.pop().ok_or_else(|| self.fault(section, PasteFault::NoApi))?;
        let filters = names.into_iter().map(|name| self.filter(name, globals));
        let mut filters: Vec<Filter> = filters.collect::<Result<_, _>>()?;
        let mut loaded = self.app(app, globals)?;
        filters.append(&mut loaded.filters);
        Ok(Loaded { filters, ..loaded })
    }

    fn filter(&mut self, name: &str, globals: &Options) -> Result<Filter, PasteError> {
        if let Some(kind) = known::filter(name) {
            // `egg:…` in the pipeline itself.
            return Ok(Filter { name: name.to_owned(), kind, options: globals.clone() });
        }
        let section = self.find(FILTERS, name)?;
        let (mut globals, locals) = self.options(&section, globals)?;
        let used = self.used(FILTERS, section, &mut globals, locals)?;
        self.made_filter(name, used)
    }

    fn made_filter(&self, name: &str, used: Used) -> Result<Filter, PasteError> {
        let kind = known::filter(&used.factory)
            .ok_or_else(|| self.fault(&used.section, PasteFault::Unknown(used.factory.clone())))?;
        // A filter around a filter would come before it; nobody writes that.
        if used.locals.contains_key("filter-with") {
            let extra = PasteFault::Extra("filter-with".to_owned());
            return Err(self.fault(&used.section, extra));
        }
        Ok(Filter { name: name.to_owned(), kind, options: together(used.globals, used.locals) })
    }

    /// Follows `use` to the factory.
    fn used(
        &mut self,
        prefixes: &[&[&str]],
        section: String,
        globals: &mut Options,
        mut locals: Options,
    ) -> Result<Used, PasteError> {
        const FACTORIES: [&str; 6] = [
            "paste.app_factory",
            "paste.composite_factory",
            "paste.composit_factory",
            "paste.filter_factory",
            "paste.filter_app_factory",
            "require",
        ];
        let explicit = FACTORIES.map(|name| locals.remove(name));
        let Some(target) = locals.remove("use") else {
            let [app, composite, composit, filter, filter_app, _] = explicit;
            let factory = app.or(composite).or(composit).or(filter).or(filter_app);
            let factory = factory.ok_or_else(|| self.fault(&section, PasteFault::NoFactory))?;
            let factory = factory.trim().to_owned();
            return Ok(Used { section, factory, globals: globals.clone(), locals });
        };
        // `egg:Distribution` alone means `#main`, which none of those known here has.
        let factory = target.strip_prefix("call:").unwrap_or(&target).to_owned();
        if target.contains(':') {
            return Ok(Used { section, factory, globals: globals.clone(), locals });
        }
        let inner = self.find(prefixes, &target)?;
        let (mut inner_globals, inner_locals) = self.options(&inner, globals)?;
        let mut used = self.used(prefixes, inner, &mut inner_globals, inner_locals)?;
        used.globals.extend(globals.iter().map(|(name, value)| (name.clone(), value.clone())));
        used.locals.extend(locals);
        Ok(Used { section, ..used })
    }

    /// The name of the section `prefix:name`.
    fn find(&mut self, prefixes: &[&[&str]], name: &str) -> Result<String, PasteError> {
        self.references += 1;
        if self.references > REFERENCES_MAX {
            return Err(self.fault(name, PasteFault::Circle));
        }
        let mut found = Vec::new();
        for group in prefixes {
            let of = |prefix: &&str| -> Vec<String> {
                let all = self.file.sections.iter().map(|section| &section.name);
                let matching = all.filter(|section| {
                    let rest = section.strip_prefix(*prefix).and_then(|s| s.strip_prefix(':'));
                    rest.is_some_and(|rest| rest.trim() == name)
                });
                matching.cloned().collect()
            };
            found.extend(group.iter().map(of).find(|found| !found.is_empty()).unwrap_or_default());
        }
        match (found.len(), found.pop()) {
            (1, Some(section)) => Ok(section),
            (0, _) => Err(self.fault(name, PasteFault::Absent)),
            _ => Err(self.fault(name, PasteFault::Ambiguous)),
        }
    }

    /// What a section says: for everything below it, and for itself. A name of `[DEFAULT]` keeps
    /// its value there whatever the section says, unless by `set` (`ConfigLoader.get_context`).
    fn options(&self, section: &str, above: &Options) -> Result<(Options, Options), PasteError> {
        let written = self.file.sections.iter().find(|one| one.name == section);
        let written = written.map(|one| one.options.as_slice()).unwrap_or_default();
        let mut scope = self.file.defaults.clone();
        scope.extend(written.iter().cloned());
        let fill = |text: &str| {
            let left = &mut { SUBSTITUTIONS_MAX };
            filled(text, &scope, SUBSTITUTION_DEPTH_MAX, left)
                .ok_or_else(|| self.fault(section, PasteFault::Substitution(text.to_owned())))
        };
        let mut globals = Options::new();
        for (name, value) in &self.file.defaults {
            globals.insert(name.clone(), fill(value)?);
        }
        globals.extend(above.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut locals = Options::new();
        let mut fetched = Vec::new();
        for (name, value) in written {
            let value = fill(value)?;
            if let Some(name) = name.strip_prefix("set ") {
                globals.insert(name.trim().to_owned(), value);
            } else if let Some(name) = name.strip_prefix("get ") {
                fetched.push((name.trim().to_owned(), value));
            } else if !self.file.defaults.contains_key(name) {
                locals.insert(name.clone(), value);
            }
        }
        for (name, from) in fetched {
            let value = globals.get(&from).cloned();
            let missing = || self.fault(section, PasteFault::Missing(from.clone()));
            locals.insert(name, value.ok_or_else(missing)?);
        }
        Ok((globals, locals))
    }

    fn take(&self, section: &str, locals: &mut Options, name: &str) -> Result<String, PasteError> {
        let missing = || self.fault(section, PasteFault::Missing(name.to_owned()));
        locals.remove(name).ok_or_else(missing)
    }

    fn fault(&self, section: &str, fault: PasteFault) -> PasteError {
        let (file, section) = (self.file.name.clone(), section.to_owned());
        PasteError::Section { file, section, fault }
    }
}

fn together(mut globals: Options, locals: Options) -> Options {
    globals.extend(locals);
    globals
}

/// Fills in `%(name)s`; `%%` is a percent sign (`configparser.BasicInterpolation`).
fn filled(text: &str, scope: &Options, depth: usize, left: &mut usize) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(behind) = behind.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let (name, behind) = behind.strip_prefix('(')?.split_once(")s")?;
        let value = scope.get(name)?;
        *left = left.checked_sub(1)?;
        out.push_str(&filled(value, scope, depth.checked_sub(1)?, left)?);
        if out.len() > glint_image::limits::CONFIG_VALUE_BYTES_MAX {
            return None;
        }
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}
