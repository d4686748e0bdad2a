use super::*;
use proptest::prelude::*;

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

fn published(versions: &[u8]) -> Catalog {
    versions.iter().fold(Catalog::default(), |catalog, &n| catalog.publish("m", digest(n)).unwrap().0)
}

fn to(version: &str) -> Deployment {
    Deployment { to: Some(version.parse().unwrap()), ..Deployment::default() }
}

#[test]
fn the_first_version_goes_live_and_later_ones_wait() {
    let catalog = published(&[1, 2]);
    assert_eq!(catalog.model("m").unwrap().live("m").unwrap(), Version { number: 1, digest: digest(1) });
    let catalog = catalog.deploy("m", &to("2")).unwrap();
    assert_eq!(catalog.model("m").unwrap().live, 2);
}

#[test]
fn a_reference_may_be_number_alias_or_digest() {
    let change = Deployment { aliases: [("champion".into(), VersionRef::Number(2))].into(), ..Deployment::default() };
    let catalog = published(&[1, 2]).deploy("m", &change).unwrap();
    for text in ["m@2", "m@champion", &format!("m@{}", digest(2))] {
        assert_eq!(catalog.resolve(&text.parse().unwrap()).unwrap().number, 2, "{text}");
    }
    assert_eq!(catalog.resolve(&"m".parse().unwrap()).unwrap().number, 1);
    let error = catalog.resolve(&"m@3".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "model `m` has no version `3`; it has 1 to 2, champion = 2");
}

#[test]
fn a_refused_change_says_why() {
    let catalog = published(&[1]);
    let fallback = |spares: &[Spare]| {
        let change = Deployment { fallback: Some(spares.to_vec()), ..Deployment::default() };
        catalog.deploy("m", &change).unwrap_err().to_string()
    };
    let model = |text: &str| Spare::Model(text.parse().unwrap());
    assert!(fallback(&[model("m")]).contains("cannot stand in for itself"));
    assert!(fallback(&[model("other")]).contains("`other` is not known"));
    assert!(fallback(&[Spare::Constant(Map::new()), model("m@1")]).contains("only be the last"));
    assert!(fallback(&vec![model("m@1"); 5]).contains("at most 4"));
    assert!(catalog.deploy("n", &Deployment::default()).is_err());
    assert!("m@".parse::<Reference>().is_err() && "0".parse::<VersionRef>().is_err());
}

proptest! {
    /// Whatever is done: a number once given names the same digest for ever,
    /// a digest has one number, and exactly one version is live.
    #[test]
    fn numbers_are_bound_for_ever(operations in prop::collection::vec((any::<bool>(), 0u8..12), 1..60)) {
        let mut catalog = Catalog::default();
        let mut given: Vec<Digest> = Vec::new();
        for (is_publish, n) in operations {
            if is_publish {
                let (next, version) = catalog.publish("m", digest(n)).unwrap();
                if !given.contains(&digest(n)) {
                    given.push(digest(n));
                }
                prop_assert_eq!(given[version.number as usize - 1], digest(n));
                catalog = next;
            } else if let Ok(next) = catalog.deploy("m", &Deployment { to: Some(VersionRef::Number(u32::from(n))), ..Deployment::default() }) {
                prop_assert_eq!(next.models["m"].live, u32::from(n));
                catalog = next;
            }
            if let Ok(model) = catalog.model("m") {
                prop_assert_eq!(&model.versions, &given);
                prop_assert!(model.live("m").is_ok());
            }
            let json = serde_json::to_string(&catalog).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Catalog>(&json).unwrap(), &catalog);
        }
    }
}
