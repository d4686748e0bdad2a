//! Which path leads where, however it is written.

use crate::support::{Host, guest, rows};
use serde_json::json;

fn host() -> Host {
    let host = Host::start();
    host.publish(&guest("steady"));
    host
}

#[test]
fn what_is_not_there_is_404_and_what_is_not_done_so_is_405() {
    let host = host();
    for path in ["/", "/v2/nothing", "/v1/nothing", "/metrics", "/v2/models/", "/v2/models/nobody/nothing"] {
        host.get(path).error(404, &[]);
    }
    for path in ["/v2/models/nobody", "/v2/models/nobody/ready", "/v2/models/no%2Fbody", "/v2/models/nobody/versions/1"]
    {
        host.get(path).error(404, &["is not known"]);
    }
    let unread = host.post("/v2/models/nobody/infer", &json!({})).error(404, &["model `nobody` is not known"]);
    assert_eq!(unread.header("connection"), Some("close"), "its body was not read: no request may follow it");
    host.get("/v2/models/steady/versions/9").error(404, &["no version `9`"]);
    host.get("/v2/models/steady/versions/Nine").error(404, &["not a version"]);
    host.get("/v2/models/%ff").error(400, &[]);
    for (method, path) in [
        ("GET", "/v2/models/steady/infer"),
        ("DELETE", "/v2/models/steady"),
        ("POST", "/v2/health/live"),
        ("PUT", "/v2"),
    ] {
        host.send(method, &format!("{}{path}", host.prediction), &[], b"").error(405, &[]);
    }
    // Whoever is refused by the head alone may still be sending: that connection is over, and the answer says so.
    for (method, path, status) in [("PUT", "/v1/nothing", 404), ("PUT", "/v2/models/steady", 405)] {
        let url = format!("{}{path}", host.prediction);
        assert_eq!(host.send(method, &url, &[], b"{}").error(status, &[]).header("connection"), Some("close"));
    }
    assert_eq!(host.get("/v1/nothing").error(404, &[]).header("connection"), None);
}

#[test]
fn a_models_path_leads_there_however_it_is_written() {
    let host = host();
    let body = rows("", &[1.0]);
    let plain = host.post("/v2/models/steady/infer", &body).status(200);
    for path in ["/v2/models/st%65ady/infer", "/v2/models/steady/infer?x=/infer", "/v2/models/steady/versions/1/infer"]
    {
        assert_eq!(host.post(path, &body).status(200).text, plain.text, "{path}");
    }
    for (path, status) in [
        ("/v2/models//infer", 404),
        ("/v2/models/steady/infer/", 404),
        ("/v2/models/steady//infer", 404),
        ("/v2/models/infer", 405),
        ("/v2/models/st%2Fady/infer", 404),
        ("/v2/models/%ff/infer", 400),
    ] {
        host.post(path, &body).error(status, &[]);
    }
}
