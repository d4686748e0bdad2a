use super::*;
use crate::Deployment;
use std::collections::BTreeSet;

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

/// `models` models, each with two versions, an alias and a fallback.
fn catalog(models: u8) -> Catalog {
    let mut catalog = Catalog::default();
    for n in 0..models {
        let name = format!("m{n}");
        catalog = catalog.publish(&name, digest(2 * n), None).unwrap().0;
        catalog = catalog.publish(&name, digest(2 * n + 1), None).unwrap().0;
        // A text that looks like the end of a document.
        let constant = serde_json::from_str(r#"{"a":null,"b":"[end]\nmodels = 1\n"}"#).unwrap();
        let written = serde_json::from_str(r#"{"b":"x\n[end]\nmodels = 1\n"}"#).unwrap();
        let last = if n % 2 == 0 { constant } else { written };
        let change = Deployment {
            aliases: [("other".to_owned(), VersionRef::Number(2))].into(),
            fallback: Some(vec![Fallback::Model(format!("{name}@2").parse().unwrap()), Fallback::Constant(last)]),
            ..Deployment::default()
        };
        catalog = catalog.deploy(&name, &change, 1).unwrap();
    }
    catalog
}

fn bound(desired: &Desired) -> BTreeMap<(String, u32), Bound> {
    let all = desired.versions().unwrap().into_iter();
    let bound = |version: &DesiredVersion| Bound { digest: version.digest.unwrap(), from: version.from.clone() };
    all.map(|(model, number, version)| ((model.to_owned(), number), bound(version))).collect()
}

fn served(catalog: &Catalog) -> BTreeSet<String> {
    catalog.models.iter().filter(|(_, model)| model.serving.is_some()).map(|(name, _)| name.clone()).collect()
}

/// Which models a document withdraws from a host; the error, where it is none.
fn withdraws(text: &str, from: &Catalog) -> Result<BTreeSet<String>, String> {
    let desired = Desired::from_toml(text).map_err(|e| e.to_string())?;
    let after = desired.onto(from, &bound(&desired), 2).map_err(|e| e.to_string())?;
    Ok(served(from).difference(&served(&after)).cloned().collect())
}

#[test]
fn an_exported_document_cut_at_any_byte_withdraws_nothing() {
    // A host that serves one model more than the document names.
    let host = catalog(13);
    for models in [1, 2, 12] {
        let mut document = catalog(models);
        document.models.update("m0", |model| model.serving.as_mut().unwrap().fallback.clear());
        let text = Desired::of(&document).to_toml().unwrap();
        assert!(
            text.starts_with("prune = true\n") && text.ends_with(&format!("\n[end]\nmodels = {models}\n")),
            "{text}"
        );
        for cut in (0..text.len()).filter(|&cut| text.is_char_boundary(cut)) {
            let read = Desired::from_toml(&text[..cut]);
            assert!(read.is_err(), "{} of {} bytes are taken:\n{}", cut, text.len(), &text[..cut]);
        }
        let expected: BTreeSet<String> = (models..13).map(|n| format!("m{n}")).collect();
        assert_eq!(withdraws(&text, &host), Ok(expected), "the whole of it does");
    }
    // What a host without models exports says that there are to be none.
    let none = Desired::of(&Catalog::default()).to_toml().unwrap();
    (0..none.len()).for_each(|cut| assert!(Desired::from_toml(&none[..cut]).is_err(), "{}", &none[..cut]));
    assert_eq!(withdraws(&none, &catalog(2)), Ok(["m0".to_owned(), "m1".to_owned()].into()));
}

#[test]
fn nothing_is_withdrawn_by_absence() {
    let host = catalog(3);
    let names = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>());
    let one = format!("[models.m1.versions]\n1 = {{ digest = \"{}\" }}\n", digest(2));
    for (text, expected) in [
        ("[models.m0]\nlive = 2\n", names(&[])),
        // Versions alone say what the numbers mean.
        (one.as_str(), names(&[])),
        ("[models.m1]\nwithdrawn = true\n", names(&["m1"])),
        ("[models.nobody]\nwithdrawn = true\n", names(&[])),
        ("prune = true\nmodels.m0.live = 1\nmodels.m1.live = 1\n[end]\nmodels = 2\n", names(&["m2"])),
        ("prune = true\nmodels.m0.live = 1\nmodels.m1.withdrawn = true\n[end]\nmodels = 2\n", names(&["m1", "m2"])),
        // An end without `prune` is a promise that the document is whole, and no more.
        ("models.m0.live = 1\n[end]\nmodels = 1\n", names(&[])),
        ("models.m0.live = 1\n[ end ] # of [all]\nmodels = 1 # [one]\n", names(&[])),
    ] {
        assert_eq!(withdraws(text, &host), expected, "{text}");
    }
    let (empty, short) = ("names no model", "cut short");
    for (text, says) in [
        ("", empty),
        ("\n", empty),
        ("# m0 is to be live\n", empty),
        ("[models]\n", empty),
        ("allow_breaking = true\n", empty),
        ("[end]\nmodels = 0\n", empty),
        ("prune = true\n", short),
        ("prune = true\n[models.m0]\nlive = 1\n", short),
        ("prune = true\nmodels.m0.live = 1\n[end]\nmodels = 2\n", "`models = 2`, and the document names 1"),
        ("models.m0.live = 1\n[end]\nmodels = 12\n", "`models = 12`, and the document names 1"),
        ("prune = true\nmodels.m0.live = 1\n[end]\nmodels = 1", short),
        ("prune = true\n[end]\nmodels = 1\n[models.m0]\nlive = 1\n", "the last table"),
        ("prune = true\nend = { models = 1 }\n[models.m0]\nlive = 1\n", "the last table"),
        ("models.m0.live = 1\n[end]\n", "missing field `models`"),
        ("models.m0.live = 1\n[end]\nmodels = 1\nmodel = 1\n", "unknown field `model`"),
        ("[models.m0]\nwithdrawn = true\nlive = 1\n", "`live` or `withdrawn`"),
        ("[models.m0]\nwithdrawn = true\naliases = { a = 1 }\n", "models.m0"),
        ("[models.m0]\n", "expected `live`"),
        ("[models.m0]\nwithdrawn = false\n", "expected `live`"),
    ] {
        let error = withdraws(text, &host).unwrap_err();
        assert!(error.contains(says), "no {says:?} in {error:?} of\n{text}");
    }
}
