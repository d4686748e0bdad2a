//! The same rows as JSON, as bytes, and as messages of gRPC.

use crate::error::Error;
use crate::load::Load;
use crate::models::Model;
use crate::servers::Server;
use crate::turns::{Entrant, Standing, take};
use crate::wire::{Columns, Form, Request};

/// Requests in the first turn, which is not counted.
const WARM_UP: usize = 500;

/// Rows, connections, and requests of a turn.
const LOADS: [(usize, usize, usize); 4] = [(1, 1, 3000), (1, 16, 3000), (64, 1, 1000), (64, 16, 1000)];

/// Who takes part, in which forms. The first one's processor time is the others' unit.
struct Entry<'a> {
    title: &'static str,
    server: &'a Server,
    form: Form,
}

/// Measures and prints the table.
pub(crate) fn measure(models: &[&Model], native: &Server, scry: &Server) -> Result<(), Error> {
    println!("## JSON, binary, gRPC\n");
    println!("The same rows in each form of V2, over loopback, and the answer in the same form.\n");
    println!(
        "| model | rows | connections | server | form | requests/s | p50 µs | p99 µs | CPU µs/request | × native JSON |"
    );
    println!("|---|--:|--:|---|---|--:|--:|--:|--:|--:|");
    let native = [Form::Json, Form::Binary].map(|form| Entry { title: "native", server: native, form });
    let scry = Form::ALL.map(|form| Entry { title: "**scry**", server: scry, form });
    let entries: Vec<_> = native.into_iter().chain(scry).collect();
    for model in models {
        LOADS.iter().try_for_each(|&load| rows_of(model, &entries, load))?;
    }
    println!();
    Ok(())
}

fn rows_of(model: &Model, entries: &[Entry<'_>], load: (usize, usize, usize)) -> Result<(), Error> {
    let (name, (rows, connections, requests)) = (&model.description.card.name, load);
    eprintln!("forms: {name}, {rows} rows, {connections} connections");
    let records = model.records(rows);
    let sent = entries.iter().map(|entry| Request::infer(model, &records, entry.form, Columns::Lists));
    let sent = sent.collect::<Result<Vec<_>, Error>>()?;
    let load = |request| Load { request, connections, requests };
    let entrants: Vec<_> = entries
        .iter()
        .zip(&sent)
        .map(|(entry, request)| Entrant { server: entry.server, load: load(request) })
        .collect();
    let mut answers = Vec::new();
    for entrant in &entrants {
        let request = entrant.load.request;
        answers.push(request.client(entrant.server.address(request))?.exchange()?.numbers()?);
        Load { requests: WARM_UP, ..entrant.load }.send(entrant.server)?;
    }
    if answers.windows(2).any(|pair| pair.first() != pair.last()) {
        return Err(format!("{name}, {rows} rows: the answers differ by their form").into());
    }
    for (entry, standing) in entries.iter().zip(take(&entrants)?) {
        let Standing { requests_per_s, p50_us, p99_us, cpu_us, ratio, .. } = standing;
        let (title, form) = (entry.title, entry.form.title());
        println!(
            "| {name} | {rows} | {connections} | {title} | {form} | {requests_per_s:.0} | {p50_us:.0} | {p99_us:.0} | {cpu_us:.0} | {ratio:.2} |"
        );
    }
    Ok(())
}
