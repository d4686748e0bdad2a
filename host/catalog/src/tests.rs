use super::*;
use proptest::prelude::*;

fn digest(n: u8) -> Digest {
    Digest::of(&[n])
}

impl std::ops::Index<&str> for Models {
    type Output = Model;

    fn index(&self, name: &str) -> &Model {
        self.get(name).unwrap()
    }
}

fn published(versions: &[u8]) -> Catalog {
    versions.iter().fold(Catalog::default(), |catalog, &n| catalog.publish("m", digest(n), None).unwrap().0)
}

fn to(version: &str) -> Deployment {
    Deployment { to: Some(version.parse().unwrap()), ..Deployment::default() }
}

fn canary(version: &str, percents: &[f64]) -> Deployment {
    let steps = percents.iter().map(|&percent| Step { percent, hold_s: None }).collect();
    Deployment { canary: Some(steps), ..to(version) }
}

fn deployed(catalog: &Catalog, change: &Deployment) -> Catalog {
    catalog.deploy("m", change, 7).unwrap()
}

/// Why it is refused.
fn refused(catalog: &Catalog, change: &Deployment) -> String {
    catalog.deploy("m", change, 7).unwrap_err().to_string()
}

fn serving(catalog: &Catalog) -> &Serving {
    catalog.serving("m").unwrap()
}

#[test]
fn the_first_version_goes_live_and_later_ones_wait() {
    let catalog = published(&[1, 2]);
    assert_eq!(serving(&catalog), &Serving::of(1));
    let catalog = deployed(&catalog, &to("2"));
    assert_eq!(serving(&catalog).live, 2);
}

#[test]
fn a_reference_may_be_number_alias_or_digest() {
    let change = Deployment { aliases: [("champion".into(), VersionRef::Number(2))].into(), ..Deployment::default() };
    let catalog = deployed(&published(&[1, 2]), &change);
    let second = Version { number: 2, digest: digest(2) };
    for text in ["m@2", "m@champion", &format!("m@{}", digest(2))] {
        assert_eq!(catalog.resolve(&text.parse().unwrap()), Ok(second), "{text}");
    }
    assert_eq!(catalog.resolve(&"m".parse().unwrap()).unwrap().number, 1);
    for text in ["m@3", "m@loser", "n"] {
        assert!(catalog.resolve(&text.parse().unwrap()).is_err(), "{text}");
    }
    let change = Deployment { no_aliases: vec!["champion".into()], ..Deployment::default() };
    assert!(deployed(&catalog, &change).resolve(&"m@champion".parse().unwrap()).is_err());
    assert!(refused(&published(&[1]), &change).contains("no alias `champion`"));
}

#[test]
fn a_number_is_bound_for_ever() {
    let catalog = published(&[1, 2]);
    assert_eq!(catalog.publish("m", digest(1), None).unwrap().1.number, 1);
    let bound = |n| Bound { digest: digest(n), from: None };
    let bind = |number, n| {
        let mut catalog = catalog.clone();
        catalog.bind("m", number, &bound(n)).map(|()| catalog)
    };
    let error = bind(1, 9).unwrap_err();
    assert!(matches!(error, CatalogError::Bound { number: 1, .. }), "{error}");
    assert!(bind(3, 1).is_err(), "a digest has one number");
    assert!(bind(0, 9).is_err());
    let later = bind(7, 7).unwrap();
    assert_eq!(later.publish("m", digest(8), None).unwrap().1.number, 8, "a number is never used again");
    let from: OciReference = "oci://r.example/m:1".parse().unwrap();
    let known = catalog.publish("m", digest(1), Some(from.clone())).unwrap().0;
    assert_eq!(known.models["m"].versions[&1].from.as_ref(), Some(&from));
    let again = known.publish("m", digest(1), None).unwrap().0;
    assert_eq!(again, known, "where it comes from is not forgotten");
}

#[test]
fn a_canary_is_tried_promoted_or_ended() {
    let catalog = published(&[1, 2, 3]);
    let tried = deployed(&catalog, &canary("2", &[10.0, 50.0]));
    let running = serving(&tried).canary.clone().unwrap();
    assert_eq!((serving(&tried).live, running.to, running.percent(), running.since_ms), (1, 2, 10.0, 7));

    let promoted = deployed(&tried, &Deployment { promote: true, ..Deployment::default() });
    assert_eq!(serving(&promoted), &Serving::of(2));
    let ended = deployed(&tried, &Deployment { no_canary: true, ..Deployment::default() });
    assert_eq!(ended, catalog);
    // Something else goes live: there is nothing left to try.
    assert_eq!(serving(&deployed(&tried, &to("3"))), &Serving::of(3));
    // Another share for the one that runs.
    let change = Deployment { to: None, ..canary("2", &[25.0]) };
    let wider = deployed(&tried, &change);
    assert_eq!(serving(&wider).canary.as_ref().map(|canary| (canary.to, canary.percent())), Some((2, 25.0)));
    assert!(refused(&catalog, &change).contains("no canary runs"));
    // What has nothing to do with it leaves it alone.
    let change = Deployment { aliases: [("a".into(), VersionRef::Number(1))].into(), ..Deployment::default() };
    assert_eq!(serving(&deployed(&tried, &change)).canary, Some(running));
}

#[test]
fn a_schedule_advances_to_its_end() {
    let mut catalog = deployed(&published(&[1, 2]), &canary("2", &[1.0, 10.0, 100.0]));
    let mut seen = Vec::new();
    while let Some(canary) = serving(&catalog).canary.clone() {
        seen.push((canary.percent(), canary.since_ms));
        catalog = catalog.advance("m", 7 + seen.len() as u64).unwrap();
    }
    assert_eq!(seen, [(1.0, 7), (10.0, 8), (100.0, 9)]);
    assert_eq!(serving(&catalog), &Serving::of(2));
}

#[test]
fn a_step_begins_when_it_is_recorded_and_one_that_runs_goes_on() {
    let before = published(&[1, 2]);
    let since = |catalog: &Catalog| serving(catalog).canary.as_ref().map(|canary| canary.since_ms);
    let decided = deployed(&before, &canary("2", &[1.0, 10.0]));
    let recorded = decided.clone().begun(&before, 900);
    assert_eq!((since(&decided), since(&recorded)), (Some(7), Some(900)));
    assert_eq!(recorded.clone().begun(&recorded, 1000), recorded);
    let next = recorded.advance("m", 1900).unwrap().begun(&recorded, 1950);
    assert_eq!(since(&next), Some(1950));
}

#[test]
fn contradictions_are_refused() {
    let catalog = published(&[1, 2]);
    let both = Deployment { promote: true, ..canary("2", &[1.0]) };
    assert!(refused(&catalog, &both).contains("choose one"));
    assert!(refused(&catalog, &canary("1", &[10.0])).contains("its own canary"));
    assert!(refused(&catalog, &canary("2", &[])).contains("canary"));
    assert!(refused(&catalog, &canary("2", &[50.0, 10.0])).contains("canary"));
    assert!(refused(&catalog, &canary("9", &[10.0])).contains("no version `9`"));
    let shadow = |to: &str, percent| Deployment {
        shadow: Some(ShadowRequest { to: to.parse().unwrap(), percent }),
        ..Deployment::default()
    };
    assert!(refused(&catalog, &shadow("1", 5.0)).contains("its own shadow"));
    assert!(refused(&catalog, &shadow("2", 0.0)).contains("shadow"));
    assert!(refused(&catalog, &Deployment { no_shadow: true, ..Deployment::default() }).contains("no shadow runs"));
    let shadowed = deployed(&catalog, &shadow("2", 5.0));
    assert_eq!(serving(&shadowed).shadow.as_ref().map(|shadow| shadow.to), Some(2));
    assert_eq!(serving(&deployed(&shadowed, &to("2"))), &Serving::of(2), "a live version has no shadow of itself");
    let misnamed = Deployment { aliases: [("Prod".into(), VersionRef::Number(1))].into(), ..Deployment::default() };
    assert!(refused(&catalog, &misnamed).contains("cannot be an alias"));
}

#[test]
fn fallback_chains_end_and_never_lead_to_themselves() {
    let catalog = published(&[1, 2]).publish("n", digest(3), None).unwrap().0;
    let chain = |fallbacks: Vec<Fallback>| Deployment { fallback: Some(fallbacks), ..Deployment::default() };
    let model = |text: &str| Fallback::Model(text.parse().unwrap());
    let constant = || Fallback::Constant(Map::new());
    let good = deployed(&catalog, &chain(vec![model("n"), model("m@2"), constant()]));
    assert!(refused(&catalog, &chain(vec![model("m")])).contains("cannot be its own fallback"));
    assert!(refused(&catalog, &chain(vec![model("nobody")])).contains("nobody"));
    assert!(refused(&catalog, &chain(vec![constant(), model("n")])).contains("last"));
    assert!(refused(&catalog, &chain(vec![model("n"); 5])).contains("at most 4"));
    // A model that is a fallback cannot be taken away.
    let error = good.withdraw("n").unwrap_err().to_string();
    assert!(error.contains("fallback of `m`"), "{error}");
}

#[test]
fn no_version_becomes_its_own_fallback_by_any_name() {
    // `n` has the component of `m@1`, perhaps within other limits.
    let catalog = published(&[1, 2]).publish("n", digest(1), None).unwrap().0;
    let aliased = |alias: &str, number: u32| {
        let aliases = [(alias.into(), VersionRef::Number(number))].into();
        Deployment { aliases, ..Deployment::default() }
    };
    let catalog = deployed(&catalog, &aliased("a", 1));
    let chain = |link: &str| {
        let fallback = Some(vec![Fallback::Model(link.parse().unwrap())]);
        Deployment { fallback, ..Deployment::default() }
    };
    for link in ["m@1", "m@a", &format!("m@{}", digest(1))] {
        assert!(refused(&catalog, &chain(link)).contains("version 1 would be its own fallback"), "{link}");
    }
    deployed(&catalog, &chain("n"));
    let good = deployed(&catalog, &chain("m@2"));
    for change in [to("2"), aliased("a", 2), canary("2", &[10.0])] {
        let (next, text) = (good.deploy("m", &change, 0), "version 2 would be its own fallback");
        match next {
            Ok(next) => assert_eq!(serving(&next).aliases["a"], 2, "an alias that no chain names may move"),
            Err(error) => assert!(error.to_string().contains(text), "{error}"),
        }
    }
    let good = deployed(&deployed(&catalog, &aliased("a", 2)), &chain("m@a"));
    assert!(refused(&good, &aliased("a", 1)).contains("version 1 would be its own fallback"));
    // A state from before it was refused stays, and stops nothing else.
    let old = catalog.serve("m", Serving { fallback: chain("m@1").fallback.unwrap(), ..Serving::of(1) }).unwrap();
    assert_eq!(deployed(&old, &aliased("b", 2)).models["m"].serving.as_ref().unwrap().aliases["b"], 2);
}

#[test]
fn a_deployment_of_what_runs_changes_nothing() {
    let running = deployed(&published(&[1, 2]), &canary("2", &[10.0, 100.0]));
    let again = running.deploy("m", &canary("2", &[10.0, 100.0]), 99).unwrap();
    assert_eq!(again, running, "it goes on where it is");
    let other = running.deploy("m", &canary("2", &[20.0, 100.0]), 99).unwrap();
    assert_eq!(serving(&other).canary.as_ref().unwrap().since_ms, 99);
    // Past its first step, to ask for it is to begin anew.
    let advanced = running.advance("m", 50).unwrap();
    let anew = advanced.deploy("m", &canary("2", &[10.0, 100.0]), 99).unwrap();
    assert_eq!(serving(&anew).canary.as_ref().map(|canary| (canary.step, canary.since_ms)), Some((0, 99)));
}

#[test]
fn a_withdrawn_model_keeps_its_versions() {
    let catalog = published(&[1, 2]).withdraw("m").unwrap();
    assert!(matches!(catalog.resolve(&"m".parse().unwrap()), Err(CatalogError::Withdrawn(_))));
    assert!(matches!(catalog.withdraw("m"), Err(CatalogError::Withdrawn(_))));
    assert_eq!(catalog.publish("m", digest(3), None).unwrap().0.models["m"].serving, None, "it stays withdrawn");
    assert_eq!(serving(&deployed(&catalog, &to("2"))), &Serving::of(2));
}

/// What operators do, in the order in which they do it.
#[derive(Debug, Clone)]
enum Op {
    Publish(u8, u8),
    Deploy(u8, u32),
    Canary(u8, u32, Vec<u8>),
    Promote(u8),
    EndCanary(u8),
    Advance(u8),
    Shadow(u8, u32),
    Alias(u8, u32),
    Withdraw(u8),
    Fallback(u8, u8),
    Back(u8),
    Restore(u64),
    Reapply,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (model, version) = (0..3u8, 1..6u32);
    let op = prop_oneof![
        4 => (model.clone(), 0..12u8).prop_map(|(m, d)| Op::Publish(m, d)),
        4 => (model.clone(), version.clone()).prop_map(|(m, v)| Op::Deploy(m, v)),
        3 => (model.clone(), version.clone(), prop::collection::vec(1..=100u8, 1..4)).prop_map(|(m, v, s)| Op::Canary(m, v, s)),
        2 => model.clone().prop_map(Op::Promote),
        1 => model.clone().prop_map(Op::EndCanary),
        2 => model.clone().prop_map(Op::Advance),
        1 => (model.clone(), version.clone()).prop_map(|(m, v)| Op::Shadow(m, v)),
        2 => (model.clone(), version).prop_map(|(m, v)| Op::Alias(m, v)),
        1 => model.clone().prop_map(Op::Withdraw),
        1 => (model.clone(), model.clone()).prop_map(|(m, n)| Op::Fallback(m, n)),
        3 => model.prop_map(Op::Back),
        1 => (0..30u64).prop_map(Op::Restore),
        1 => Just(Op::Reapply),
    ];
    prop::collection::vec(op, 1..60)
}

fn name(model: u8) -> String {
    format!("m{model}")
}

/// One operation as the registry makes it; `None` where it is refused.
fn operate(catalog: &Catalog, history: &History, op: &Op, now_ms: u64) -> Option<(Catalog, Option<u64>)> {
    let version = |v: u32| VersionRef::Number(v);
    let deploy = |m: u8, change: Deployment| catalog.deploy(&name(m), &change, now_ms).ok();
    let next = match op {
        Op::Publish(m, d) => catalog.publish(&name(*m), digest(*d), None).ok()?.0,
        Op::Deploy(m, v) => deploy(*m, Deployment { to: Some(version(*v)), ..Deployment::default() })?,
        Op::Canary(m, v, shares) => {
            let steps = shares.iter().map(|&s| Step { percent: s.into(), hold_s: None }).collect();
            deploy(*m, Deployment { to: Some(version(*v)), canary: Some(steps), ..Deployment::default() })?
        }
        Op::Promote(m) => deploy(*m, Deployment { promote: true, ..Deployment::default() })?,
        Op::EndCanary(m) => deploy(*m, Deployment { no_canary: true, ..Deployment::default() })?,
        Op::Advance(m) => catalog.advance(&name(*m), now_ms).ok()?,
        Op::Shadow(m, v) => {
            let shadow = Some(ShadowRequest { to: version(*v), percent: 50.0 });
            deploy(*m, Deployment { shadow, ..Deployment::default() })?
        }
        Op::Alias(m, v) => {
            deploy(*m, Deployment { aliases: [("a".into(), version(*v))].into(), ..Deployment::default() })?
        }
        Op::Withdraw(m) => catalog.withdraw(&name(*m)).ok()?,
        Op::Fallback(m, n) => {
            let fallback = Some(vec![Fallback::Model(name(*n).parse().unwrap())]);
            deploy(*m, Deployment { fallback, ..Deployment::default() })?
        }
        Op::Back(m) => {
            let now = catalog.models.get(&name(*m))?.serving.as_ref();
            let (restored, serving) = history.before(&name(*m), now).ok()?;
            assert!(restored < history.last());
            assert_ne!(Some(&serving), now, "going back goes somewhere");
            assert_eq!(serving.canary, None, "a canary is not tried again");
            return Some((catalog.serve(&name(*m), serving).ok()?, Some(restored)));
        }
        Op::Restore(number) => {
            let state = history.state(*number).ok()?;
            return Some((catalog.restored(&state, now_ms).ok()?, Some(*number)));
        }
        Op::Reapply => {
            // A document that was exported says exactly what runs.
            let document = Desired::of(catalog).to_toml().unwrap();
            let desired = Desired::from_toml(&document).unwrap();
            let bound = desired.versions().unwrap().into_iter().map(|(model, number, version)| {
                ((model.to_owned(), number), Bound { digest: version.digest.unwrap(), from: version.from.clone() })
            });
            let again = desired.onto(catalog, &bound.collect(), now_ms).unwrap();
            assert_eq!(&again, catalog, "{document}");
            assert_eq!(differences(catalog, &again), Vec::<String>::new());
            again
        }
    };
    Some((next, None))
}

/// What holds at every moment, whatever was done.
fn is_sound(catalog: &Catalog) {
    for (name, model) in catalog.models.iter() {
        let mut digests: Vec<_> = model.all().map(|version| version.digest).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), model.versions.len(), "a digest has one number");
        let Some(serving) = &model.serving else { continue };
        // Exactly one live target set: each routed number is there, shares add up to all.
        for number in serving.routed() {
            assert!(model.versions.contains_key(&number), "{name} routes to {number}, which is not there");
        }
        if let Some(canary) = &serving.canary {
            assert_ne!(canary.to, serving.live);
            assert!(canary.percent() > 0.0 && canary.percent() <= 100.0);
        }
        assert!(serving.shadow.as_ref().is_none_or(|shadow| shadow.to != serving.live));
        for reference in serving.fallback_models() {
            assert!(catalog.resolve(reference).is_ok(), "{name} falls back to {reference}, which is not there");
        }
    }
}

/// What is looked up from the other side is what a look at every model finds.
fn is_indexed(catalog: &Catalog) {
    let all = || catalog.models.iter();
    for model in catalog.models.values() {
        for Version { digest, .. } in model.all() {
            let having = all().filter(|(_, other)| other.all().any(|version| version.digest == digest));
            assert!(catalog.models.having(digest).eq(having.map(|(name, _)| name)));
        }
    }
    for called in catalog.models.keys() {
        let calls = |model: &Model| {
            let serving = model.serving.iter();
            serving.flat_map(Serving::fallback_models).any(|fallback| fallback.model == *called)
        };
        let callers = all().filter(|(_, model)| calls(model)).map(|(name, _)| name);
        assert!(catalog.models.callers(called).eq(callers), "of {called}");
    }
}

/// Models of which a version would be asked again when it fails.
fn own_fallbacks(catalog: &Catalog) -> Vec<String> {
    let served = catalog.models.iter().filter_map(|(name, model)| Some((name, model, model.serving.as_ref()?)));
    let own = served.filter(|(_, model, serving)| {
        let canary = serving.canary.as_ref().map(|canary| canary.to);
        let asked: Vec<_> =
            [Some(serving.live), canary].into_iter().flatten().map(|n| model.versions[&n].digest).collect();
        let is_own = |link: &Reference| {
            std::ptr::eq(&catalog.models[&link.model], model.as_ref())
                && asked.contains(&catalog.resolve(link).unwrap().digest)
        };
        serving.fallback_models().any(is_own)
    });
    own.map(|(name, ..)| name.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    /// Any sequence of operations against what should hold: every state is
    /// sound, bindings never change, the history leads to each state again, and
    /// a cut history still knows the rest.
    #[test]
    fn whatever_operators_do_the_catalog_holds(ops in ops()) {
        let (mut catalog, mut history) = (Catalog::default(), History::default());
        let mut states = vec![catalog.clone()];
        let mut bound: BTreeMap<(String, u32), Digest> = BTreeMap::new();
        for (now_ms, op) in (1u64..).zip(&ops) {
            let Some((next, restored)) = operate(&catalog, &history, op, now_ms) else { continue };
            is_sound(&next);
            is_indexed(&next);
            let differs = |name: &&String| catalog.models.get(name) != next.models.get(name);
            prop_assert!(next.changed(&catalog).iter().eq(next.models.keys().filter(differs)));
            if !matches!(op, Op::Back(_) | Op::Restore(_)) {
                let before = own_fallbacks(&catalog);
                prop_assert!(own_fallbacks(&next).iter().all(|name| before.contains(name)));
            }
            for (name, model) in next.models.iter() {
                for version in model.all() {
                    let first = *bound.entry((name.clone(), version.number)).or_insert(version.digest);
                    prop_assert_eq!(first, version.digest, "a digest once bound never changes");
                }
            }
            prop_assert!(bound.len() == next.models.values().map(|model| model.versions.len()).sum::<usize>(), "no version is lost");
            let models = Change::between(&catalog, &next);
            prop_assert_eq!(models.is_empty(), next == catalog);
            if models.is_empty() { continue }
            let number = history.last() + 1;
            let (by, what) = ("me".to_owned(), format!("{op:?}"));
            history.push(Change { number, at_ms: now_ms, by, what, restored, file: None, models });
            catalog = next;
            states.push(catalog.clone());
        }
        for (number, state) in (0..).zip(&states) {
            prop_assert_eq!(&history.state(number).unwrap(), state);
        }
        prop_assert!(history.state(states.len() as u64).is_err());
        // As it is kept in a file, and read again.
        let lines: Vec<String> = history.records().iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        let records = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        let (again, led_to) = History::replay(records).unwrap();
        prop_assert_eq!(&again, &history);
        prop_assert_eq!(&led_to, &catalog);
        // Cut, it still leads here, and knows every state that is left.
        let mut cut = history.clone();
        cut.cut(ops.len() as u64 / 2, 10);
        prop_assert!(cut.changes().count() <= 10);
        let all: Vec<_> = (0..).zip(&states).collect();
        for (number, state) in all.into_iter().rev().take(cut.changes().count() + 1) {
            prop_assert_eq!(&cut.state(number).unwrap(), state);
        }
        let kept = cut.referenced();
        for (number, state) in (0..).zip(&states) {
            if cut.state(number).is_ok() {
                prop_assert!(state.referenced().is_subset(&kept), "what a kept state names is kept");
            }
        }
    }

    #[test]
    fn references_read_back(model in "[a-z0-9][a-z0-9_-]{0,20}", number in 1..u32::MAX, alias in "[a-z][a-z0-9_-]{0,20}", n in any::<u8>()) {
        for version in [None, Some(VersionRef::Number(number)), Some(VersionRef::Alias(alias.clone())), Some(VersionRef::Digest(digest(n)))] {
            let reference = Reference { model: model.clone(), version };
            prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference.clone()));
            let json = serde_json::to_string(&reference).unwrap();
            prop_assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), reference);
        }
    }

    #[test]
    fn any_text_is_a_reference_or_an_error(text in ".{0,100}") {
        let _ = text.parse::<Reference>();
        let _ = Desired::from_toml(&text);
    }
}

#[test]
fn going_back_twice_goes_back_further_and_never_into_a_canary() {
    let (mut catalog, mut history) = (Catalog::default(), History::default());
    let mut make = |next: Catalog, restored: Option<u64>, history: &mut History| {
        let models = Change::between(&catalog, &next);
        let number = history.last() + 1;
        history.push(Change {
            number,
            at_ms: number,
            by: String::new(),
            what: String::new(),
            restored,
            file: None,
            models,
        });
        catalog = next.clone();
        next
    };
    let three = published(&[1, 2, 3]);
    let one = make(three, None, &mut history);
    let two = make(deployed(&one, &to("2")), None, &mut history);
    let tried = make(deployed(&two, &canary("3", &[10.0])), None, &mut history);
    // The host takes it back by itself.
    let taken_back = make(tried.serve("m", serving(&tried).without_canary()).unwrap(), None, &mut history);
    let back = |catalog: &Catalog, history: &History| history.before("m", catalog.models["m"].serving.as_ref());
    let (number, before) = back(&taken_back, &history).unwrap();
    assert_eq!((number, before.live, before.canary), (1, 1, None), "not into the canary, not to where it is");
    let first = make(taken_back.serve("m", Serving::of(1)).unwrap(), Some(1), &mut history);
    assert!(matches!(back(&first, &history), Err(HistoryError::Nothing(_))), "nothing came before");
    // Forward again, and back to the same place.
    let again = make(deployed(&first, &to("3")), None, &mut history);
    assert_eq!(back(&again, &history).unwrap().1.live, 1);
}

/// The documentation shows what is read.
#[test]
fn the_documented_deployment_and_desired_state_are_read() {
    let page = include_str!("../../../docs/reference/http.md").replace("sha256:…", &digest(1).to_string());
    let block = |language: &str| {
        let fence = format!("```{language}\n");
        page.split(&fence).nth(1).and_then(|rest| rest.split("```").next()).unwrap().to_owned()
    };
    let deployment: Deployment = serde_json::from_str(&block("json")).unwrap();
    assert_eq!(deployment.canary.unwrap().len(), 3);
    assert_eq!(deployment.bounds, Some(Bounds::default()));
    let desired = Desired::from_toml(&block("toml")).unwrap();
    let fraud = &desired.models["fraud"];
    assert_eq!((fraud.fallback.len(), fraud.versions.len()), (2, 2));
    assert_eq!(fraud.canary.as_ref().unwrap().bounds, Bounds::default());
}

/// TOML has no null, and not every number that JSON has.
#[test]
fn whatever_can_be_deployed_can_be_exported() {
    let row = |json: &str| serde_json::from_str(json).unwrap();
    let constant = row(r#"{"a":null,"b":18446744073709551615,"c":[1,null],"d":1.5,"e":"x","f":[1,2.5]}"#);
    let limits = LimitsPatch { fuel: Some(u64::MAX), ..LimitsPatch::default() };
    let change = Deployment { fallback: Some(vec![Fallback::Constant(constant)]), limits, ..Deployment::default() };
    let catalog = deployed(&published(&[1]), &change);
    let document = Desired::of(&catalog).to_toml().unwrap();
    let again = Desired::from_toml(&document).unwrap().onto(&catalog, &BTreeMap::new(), 7).unwrap();
    assert_eq!(again, catalog, "{document}");
}
