//! What pages of other sites can read of a host that asks for tokens.

use super::EACH;
use super::guarded::Guarded;

#[test]
fn a_page_of_another_site_can_read_why_it_is_refused() {
    let guarded = Guarded::with("prediction.cors_origins = [\"https://a.example\"]\n", &EACH);
    let ask = |method: &str, origin: &str, token: Option<&str>| {
        let bearer = token.map(|name| format!("Bearer {}", guarded.token(name)));
        let mut headers = vec![("origin", origin), ("access-control-request-method", "POST")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let reply =
            guarded.host.send(method, &format!("{}/v2/models/steady/infer", guarded.host.prediction), &headers, b"{}");
        let shown = reply.header("access-control-expose-headers").is_some_and(|shown| shown.contains("scry-reason"));
        (reply.status, reply.header("access-control-allow-origin").map(str::to_owned), shown)
    };
    let (known, other) = ("https://a.example", "https://b.example");
    let permitted = Some(known.to_owned());
    // A browser asks without a token first.
    assert_eq!(ask("OPTIONS", known, None), (204, permitted.clone(), false));
    assert_eq!(ask("POST", known, None), (401, permitted.clone(), true));
    assert_eq!(ask("POST", known, Some("reader")), (403, permitted.clone(), true));
    assert_eq!(ask("POST", known, Some("one")), (400, permitted, true));
    assert_eq!(ask("POST", other, None), (401, None, false));
}
