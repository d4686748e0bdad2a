//! TLS, as real clients meet it: curl, Python's requests and httpx, and the `scry` command.

use crate::clients::{clients, environment};
use crate::support::{Certificates, Host, PATIENT, Ran, eventually, guest, python, root, rows, scry};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A host with certificates on both listeners, and its metrics in plain.
struct Secure {
    host: Host,
    certificates: Certificates,
}

impl Secure {
    /// With more keys at the beginning of the configuration, and more of `[prediction.tls]`.
    fn with(config: &str, tls: &str) -> Self {
        let certificates = Certificates::new();
        certificates.issue("server", "ca", "server", 16);
        let files = |tls: &str| {
            let [certificate, key] = ["server.pem", "server.key"].map(|name| certificates.path(name));
            format!("certificate = \"{certificate}\"\nkey = \"{key}\"\n{tls}\n")
        };
        let tls = tls.replace("CA", &certificates.path("ca.pem"));
        let both = format!("[prediction.tls]\n{}[admin.tls]\n{}", files(&tls), files(""));
        let config = format!("metrics.listen = \"127.0.0.1:0\"\n{config}{both}{PATIENT}fuel = 0\n");
        let host = Host::begin(tempfile::tempdir().unwrap(), &config, "");
        let host = host.unwrap_or_else(|fallen| panic!("not ready: {}", fallen.log()));
        assert!(host.prediction.starts_with("https://") && host.admin.starts_with("https://"));
        Self { host, certificates }
    }

    /// `scry`, which trusts the authority.
    fn scry(&self, args: &[&str]) -> Ran {
        let mut command = scry();
        command.args(args).args(["--ca", &self.certificates.path("ca.pem")]);
        Ran::of(command.env("SCRY_ADMIN", &self.host.admin).env("SCRY_ADMIN_TOKEN", self.host.token()))
    }

    fn publish(&self, name: &str) {
        self.scry(&["publish", guest(name).path.to_str().unwrap()]).ok();
    }

    /// curl, which trusts this authority.
    fn curl(&self, ca: &str, args: &[&str]) -> Ran {
        let ca = self.certificates.path(ca);
        Ran::of(Command::new("curl").args(["--silent", "--show-error", "--max-time", "60", "--cacert", &ca]).args(args))
    }

    fn python(&self, what: &str, environment: &[(&str, &str)]) -> Command {
        let folder = root().join("tests/tls");
        let mut command = Command::new(python(&folder.join("requirements.txt")));
        command.arg(folder.join("client.py")).args([what, &self.host.prediction]);
        command.env("CA", self.certificates.path("ca.pem")).envs(environment.iter().copied());
        command
    }

    /// The serial number of the certificate that a new connection gets, in hexadecimal, and what TLS it speaks.
    fn serial(&self) -> String {
        Ran::of(&mut self.python("serial", &[])).ok().stdout.trim().to_owned()
    }

    fn metric(&self, series: &str) -> f64 {
        let url = format!("{}/metrics", self.host.metrics.as_ref().unwrap());
        let text = self.host.send("GET", &url, &[], b"").status(200).text;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    fn ended(&self, reason: &str) -> f64 {
        self.metric(&format!(r#"scry_connections_ended_total{{listener="prediction",reason="{reason}"}}"#))
    }

    fn tcp(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.host.prediction.strip_prefix("https://").unwrap()).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        tcp
    }
}

/// A client that goes on when it is told to; ends with the test.
struct Stepping(Child, ChildStdin, BufReader<ChildStdout>);

impl Stepping {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self(child, stdin, BufReader::new(stdout))
    }

    fn says(&mut self) -> String {
        let mut line = String::new();
        self.2.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn goes_on(&mut self) {
        writeln!(self.1).unwrap();
    }
}

impl Drop for Stepping {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn clients_publish_and_predict_over_tls() {
    let secure = Secure::with("", "");
    secure.publish("steady");
    let body = rows("", &[2.5]).to_string();
    let url = format!("{}/v2/models/steady/infer", secure.host.prediction);
    let by_curl: Value = secure.curl("ca.pem", &["--data", &body, &url]).ok().json();
    let lines = Ran::of(&mut secure.python("libraries", &[("BODY", &body)])).ok().stdout;
    assert_eq!(lines.lines().count(), 3);
    for line in lines.lines() {
        let by_libraries: Value = serde_json::from_str(line).unwrap();
        assert_eq!(by_libraries, json!([200, 200, by_curl["outputs"], by_curl["outputs"]]));
    }
    // Both versions of TLS, and HTTP/2 or HTTP/1.1 by ALPN.
    for version in [&["--tls-max", "1.2", "--tlsv1.2"][..], &["--tlsv1.3"]] {
        let args = [version, &["--write-out", "%{http_version} %{ssl_verify_result}", "--output", "/dev/null", &url]];
        assert_eq!(secure.curl("ca.pem", &args.concat()).ok().stdout, "2 0");
        assert_eq!(secure.curl("ca.pem", &[&["--http1.1"], &args.concat()[..]].concat()).ok().stdout, "1.1 0");
    }
    let old = ["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &url];
    assert!(secure.curl("ca.pem", &old).code != Some(0));
    // Another authority's certificate is not trusted, by curl or by the command.
    secure.curl("other.pem", &[&url]).code(60);
    let input = secure.host.data().join("rows.json");
    std::fs::write(&input, json!([{ "behaviour": "", "x": 2.5 }]).to_string()).unwrap();
    secure.scry(&["predict", "steady", "--input", input.to_str().unwrap()]).ok();
    let mut untrusting = scry();
    untrusting.args(["models", "--admin", &secure.host.admin, "--admin-token", &secure.host.token()]);
    Ran::of(untrusting.args(["--ca", &secure.certificates.path("other.pem")])).code(1).says(&["does not answer"]);
    // Plain HTTP gets no answer.
    let mut plain = secure.tcp();
    plain.write_all(b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut heard = Vec::new();
    // It may be reset.
    let _ = plain.read_to_end(&mut heard);
    assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    eventually("it is counted", || secure.ended("tls-handshake") >= 1.0);
}

#[test]
fn grpc_and_http2_are_the_same_over_tls_with_a_clients_certificate_or_without() {
    for wants in ["", "client_ca = \"CA\""] {
        let secure = Secure::with("", wants);
        secure.publish("steady");
        let certificates = &secure.certificates;
        certificates.issue("client", "ca", "client", 32);
        let mut paths =
            ["ca.pem", "other.pem", "client.pem", "client.key"].map(|name| certificates.path(name)).to_vec();
        paths.truncate(if wants.is_empty() { 2 } else { 4 });
        let mut command = Command::new(environment());
        command.arg(clients().join("grpc_tls.py")).arg(&secure.host.prediction).args(&paths);
        let ran = Ran::of(&mut command).ok();
        assert_eq!(ran.stdout.trim(), "reached over TLS 5.0");
        // Many requests on one connection, which is curl's to share.
        let url = format!("{}/v2/models/steady/infer", secure.host.prediction);
        let body = rows("", &[2.5]).to_string();
        let mut args = vec!["--http2", "--parallel", "--data", &body];
        args.extend(["--write-out", "\n%{http_version} %{http_code} %{num_connects}\n"]);
        if let [_, _, certificate, key] = &paths[..] {
            args.extend(["--cert", certificate, "--key", key]);
        }
        args.extend([url.as_str(); 50]);
        let said = secure.curl("ca.pem", &args).ok().stdout;
        let [connected, shared] = ["2 200 1", "2 200 0"].map(|line| said.lines().filter(|said| *said == line).count());
        assert_eq!((connected, shared), (1, 49), "{said}");
    }
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let secure = Secure::with("", "client_ca = \"CA\"");
    secure.publish("steady");
    let certificates = &secure.certificates;
    certificates.issue("client", "ca", "client", 32);
    certificates.issue("stranger", "other", "client", 33);
    certificates.issue("host", "ca", "server", 34);
    let url = format!("{}/v2/models/steady", secure.host.prediction);
    let with = |name: &str| {
        let [certificate, key] = ["pem", "key"].map(|end| certificates.path(&format!("{name}.{end}")));
        secure.curl("ca.pem", &["--cert", &certificate, "--key", &key, &url]).code
    };
    assert_eq!(with("client"), Some(0));
    assert_ne!(secure.curl("ca.pem", &[&url]).code, Some(0), "without a certificate");
    assert_ne!(with("stranger"), Some(0), "by another authority");
    assert_ne!(with("host"), Some(0), "for another purpose");
    eventually("they are counted", || secure.ended("tls-handshake") == 3.0);
    let body = rows("", &[1.0]).to_string();
    let [certificate, key] = ["client.pem", "client.key"].map(|name| certificates.path(name));
    let environment = [("CERT", certificate.as_str()), ("KEY", key.as_str()), ("BODY", body.as_str())];
    Ran::of(&mut secure.python("libraries", &environment)).ok();
    let told = Ran::of(&mut secure.python("refused", &[])).ok().stdout;
    assert!(told.contains("requests refused") && told.contains("httpx refused"), "{told}");
    // The command shows one, too.
    let input = secure.host.data().join("rows.json");
    std::fs::write(&input, json!([{ "behaviour": "", "x": 2.5 }]).to_string()).unwrap();
    let predict = ["predict", "steady", "--input", input.to_str().unwrap()];
    secure.scry(&predict).code(1).says(&["does not answer"]);
    secure.scry(&[&predict[..], &["--client-cert", &certificate, "--client-key", &key]].concat()).ok();
    secure.scry(&[&predict[..], &["--client-cert", &certificate]].concat()).code(2).says(&["--client-key"]);
}

#[test]
fn certificates_are_replaced_while_connections_are_open() {
    let secure = Secure::with("", "");
    let in_use = || secure.metric(r#"scry_file_in_use{file="prediction-tls"}"#);
    assert_eq!((secure.serial().as_str(), in_use()), ("10 TLSv1.3 None", 1.0));
    let mut open = Stepping::start(secure.python("lasting", &[]));
    let before = open.says();
    assert!(before.starts_with("200 10 "), "{before}");
    secure.certificates.issue("next", "ca", "server", 17);
    secure.certificates.replace("server", "next");
    eventually("new connections have the new certificate", || secure.serial().starts_with("11 "));
    // The open one keeps the certificate with which it began, and works.
    open.goes_on();
    assert_eq!(open.says(), before);
    // A certificate without its key, and no certificate at all, change nothing.
    secure.certificates.issue("third", "ca", "server", 18);
    std::fs::copy(secure.certificates.file("third.pem"), secure.certificates.file("server.pem")).unwrap();
    eventually("it is found wrong", || in_use() == 0.0);
    assert!(secure.serial().starts_with("11 ") && secure.host.log().contains("expected the certificate of the key"));
    std::fs::write(secure.certificates.file("server.pem"), "nothing").unwrap();
    eventually("the log says so", || secure.host.log().contains("expected certificates in PEM, found none"));
    assert!(secure.serial().starts_with("11 "));
    secure.certificates.replace("server", "third");
    eventually("the third is in use", || secure.serial().starts_with("12 ") && in_use() == 1.0);
}

#[test]
fn a_handshake_that_is_slow_is_ended_and_takes_a_place_meanwhile() {
    let config = "prediction.header_timeout_ms = 1500\nprediction.connections_max = 3\n";
    let secure = Secure::with(config, "");
    let began = Instant::now();
    let mut clients = [secure.tcp(), secure.tcp(), secure.tcp()];
    // Nothing at all, the beginning of a record of TLS, and a byte now and then.
    clients[1].write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let open = || secure.metric(r#"scry_connections{listener="prediction"}"#);
    eventually("all have a place", || open() == 3.0);
    let mut further = secure.tcp();
    assert_eq!(further.read(&mut [0]).unwrap_or(0), 0, "a fourth has none");
    assert!(secure.metric(r#"scry_connections_refused_total{listener="prediction"}"#) >= 1.0);
    clients[2].write_all(b"\x16\x03").unwrap();
    for mut client in clients {
        // It may be reset.
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }
    assert!(began.elapsed() >= Duration::from_millis(1400), "{:?}", began.elapsed());
    eventually("they are counted", || secure.ended("header-timeout") == 3.0);
    eventually("their places are free", || open() == 0.0);
    // The time of the handshake is the head's: a client that is silent after it is ended as well.
    let mut silent = Stepping::start(secure.python("serial", &[]));
    assert!(silent.says().starts_with("10 "));
}

#[test]
fn a_client_that_leaves_over_tls_stops_its_call() {
    let secure = Secure::with("", "");
    secure.publish("hostile");
    let body = rows("loop", &[1.0]).to_string();
    let abandoned = || secure.metric(r#"scry_requests_total{model="hostile",outcome="abandoned",version="1"}"#);
    for (times, leave) in [(1.0, "close"), (2.0, "notify"), (3.0, "reset")] {
        let environment = [("MODEL", "hostile"), ("BODY", body.as_str()), ("LEAVE", leave)];
        let mut client = Stepping::start(secure.python("leaving", &environment));
        assert_eq!(client.says(), "asked");
        eventually("the guest loops", || secure.metric("scry_instances_live") == 1.0);
        client.goes_on();
        assert_eq!(client.says(), "left");
        eventually("it is stopped", || abandoned() == times);
    }
}

#[test]
fn a_client_that_reads_nothing_is_ended_and_one_that_reads_slowly_is_not() {
    let secure = Secure::with("prediction.write_timeout_ms = 3000\nprediction.idle_timeout_ms = 600000\n", "");
    secure.publish("steady");
    secure.scry(&["deploy", "steady", "--deadline-ms", "60000"]).ok();
    // Longer than what the systems hold for a client that does not read.
    let body = rows("", &vec![1.234_567_890_123_456_7; 300_000]).to_string();
    let file = secure.host.data().join("body.json");
    std::fs::write(&file, body).unwrap();
    let environment = [("MODEL", "steady"), ("BODY_FILE", file.to_str().unwrap()), ("PAUSE", "0.004")];
    let mut deaf = Stepping::start(secure.python("deaf", &environment));
    assert_eq!(deaf.says(), "sent");
    eventually("it is ended", || secure.ended("write-timeout") == 1.0);
    assert_eq!(Ran::of(&mut secure.python("slow", &environment)).ok().stdout.trim(), "True");
    // The end of an answer may wait in TLS: it has the same time.
    assert_eq!(secure.ended("write-timeout"), 1.0);
}

#[test]
fn a_host_does_not_start_without_its_certificates() {
    let certificates = Certificates::new();
    certificates.issue("server", "ca", "server", 16);
    certificates.issue("other", "ca", "server", 17);
    std::fs::write(certificates.file("empty.pem"), "").unwrap();
    for (certificate, key, more, says) in [
        ("missing.pem", "server.key", "", "missing.pem: No such file"),
        ("empty.pem", "server.key", "", "empty.pem: expected certificates in PEM, found none"),
        ("server.pem", "server.pem", "", "server.pem: expected a private key in PEM"),
        ("server.pem", "other.key", "", "server.pem: expected the certificate of the key"),
        ("server.pem", "server.key", "client_ca = \"EMPTY\"\n", "empty.pem: expected certificates in PEM, found none"),
    ] {
        let [certificate, key, empty] = [certificate, key, "empty.pem"].map(|name| certificates.path(name));
        let more = more.replace("EMPTY", &empty);
        let config = format!("[admin.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n{more}");
        let fallen = Host::begin(tempfile::tempdir().unwrap(), &config, "").err().unwrap();
        assert_eq!(fallen.status.code(), Some(1));
        assert!(fallen.log().contains(says), "{says} not in {}", fallen.log());
    }
}
