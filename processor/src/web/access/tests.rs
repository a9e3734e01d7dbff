use super::*;

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = hyper::Request::builder().uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn proxy(rights_header: &str) -> Access {
    let mut options = Options {
        auth: Auth::Proxy,
        ..Options::default()
    };
    options.proxy.rights_header = rights_header.into();
    Access::new(&options, "127.0.0.1:80".parse().unwrap()).unwrap()
}

fn ask(access: &Access, peer: &str, headers: &[(&str, &str)]) -> Result<Visitor, u16> {
    access
        .admit(&head(headers), peer.parse().unwrap())
        .map_err(|problem| problem.status().as_u16())
}

#[test]
fn a_proxy_is_believed_only_at_its_address() {
    let user = ("X-Forwarded-User", "ada");
    let visitor = ask(&proxy(""), "127.0.0.1:9", &[user]).unwrap();
    assert_eq!(
        (visitor.name.as_str(), visitor.private, visitor.act),
        ("ada", false, false)
    );
    assert_eq!(ask(&proxy(""), "192.0.2.1:9", &[user]), Err(403));
}

#[test]
fn a_visitor_whom_the_proxy_does_not_name_is_refused() {
    let peer = "127.0.0.1:9";
    assert_eq!(ask(&proxy(""), peer, &[]), Err(403));
    assert_eq!(ask(&proxy(""), peer, &[("X-Forwarded-User", "")]), Err(403));
    let twice = [("X-Forwarded-User", "ada"), ("X-Forwarded-User", "root")];
    assert_eq!(ask(&proxy(""), peer, &twice), Err(403));
}

#[test]
fn rights_are_what_the_proxy_says() {
    let rights = |words: &str| {
        let headers = [("X-Forwarded-User", "ada"), ("X-Rights", words)];
        let visitor = ask(&proxy("X-Rights"), "127.0.0.1:9", &headers)?;
        Ok((visitor.private, visitor.act))
    };
    assert_eq!(rights("read"), Ok((false, false)));
    assert_eq!(rights("read, private"), Ok((true, false)));
    assert_eq!(rights("mail read act"), Ok((false, true)));
    assert_eq!(rights(""), Err(403));
    assert_eq!(rights("private, act"), Err(403));
    assert_eq!(rights("Read"), Err(403));
    let without = [("X-Forwarded-User", "ada")];
    assert_eq!(ask(&proxy("X-Rights"), "127.0.0.1:9", &without), Err(403));
}

#[test]
fn a_proxy_that_can_never_let_anybody_in_is_a_mistake() {
    let refused = |change: fn(&mut ProxyOptions)| {
        let mut options = Options {
            auth: Auth::Proxy,
            ..Options::default()
        };
        change(&mut options.proxy);
        let access = Access::new(&options, "127.0.0.1:80".parse().unwrap());
        access.unwrap_err().to_string()
    };
    assert!(refused(|proxy| proxy.peers.clear()).contains("web.proxy.peers"));
    assert!(refused(|proxy| proxy.user_header.clear()).contains("web.proxy.user_header"));
    assert!(refused(|proxy| proxy.rights_header = "a b".into()).contains("rights_header"));
}

#[test]
fn without_authentication_only_this_hosts_names_are_answered() {
    let open = Access::Open("192.0.2.7:8080".parse().unwrap());
    let with_host = |host| ask(&open, "127.0.0.1:9", &[("Host", host)]).is_ok();
    for host in [
        "localhost",
        "LocalHost:8080",
        "127.0.0.1:8080",
        "127.8.8.8",
        "[::1]:8080",
        "192.0.2.7:8080",
    ] {
        assert!(with_host(host), "{host}");
    }
    for host in [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "192.0.2.8",
        "0.0.0.0",
        "[::]",
    ] {
        assert!(!with_host(host), "{host}");
    }
    assert_eq!(ask(&open, "127.0.0.1:9", &[]), Err(403));
    let two = [("Host", "localhost"), ("Host", "evil.example")];
    assert_eq!(ask(&open, "127.0.0.1:9", &two), Err(403));
}

#[test]
fn without_authentication_forwarded_requests_are_refused() {
    let open = Access::Open("127.0.0.1:8080".parse().unwrap());
    for header in [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Real-IP",
        "Via",
    ] {
        let headers = [("Host", "localhost"), (header, "x")];
        assert_eq!(ask(&open, "127.0.0.1:9", &headers), Err(403), "{header}");
    }
}

#[test]
fn a_request_that_another_site_caused_is_not_deliberate() {
    let open = Access::Open("127.0.0.1:8080".parse().unwrap());
    let deliberate = |site| {
        let headers = [("Host", "localhost"), ("Sec-Fetch-Site", site)];
        ask(&open, "127.0.0.1:9", &headers).unwrap().deliberate
    };
    assert!(
        ask(&open, "127.0.0.1:9", &[("Host", "localhost")])
            .unwrap()
            .deliberate
    );
    assert!(deliberate("none") && deliberate("same-origin"));
    assert!(!deliberate("same-site") && !deliberate("cross-site") && !deliberate(""));
}
