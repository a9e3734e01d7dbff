//! Who may see what.

use super::*;

const PROXY: &str = "X-Forwarded-User: ada";

#[tokio::test]
async fn without_the_token_nothing_is_shown() {
    let site = Site::start().await;
    let id = new_id();
    site.save(
        &id,
        json!({"ProductName": "Arena"}),
        &[("upload_file_minidump", b"MDMP")],
    )
    .await;
    site.save_processed(&id, json!({"signature": "arena::Texture"}))
        .await;
    let wrong = [
        "",
        "Authorization: Bearer",
        "Authorization: Bearer 0123456789abcdef0123456789abcdef",
        "Authorization: Basic Og==",
        "Cookie: token=0123456789abcdef0123456789abcdef",
    ];
    for header in wrong {
        let headers: &[&str] = if header.is_empty() { &[] } else { &[header] };
        for path in [
            "/".to_owned(),
            format!("/report/index/{id}"),
            "/nowhere".to_owned(),
        ] {
            let answer = site.ask("GET", &path, headers).await;
            assert_eq!(answer.status, 401, "{path} {header}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            answer.shows("Please sign in");
            answer.shows(&format!(r#"name="next" type="hidden" value="{path}""#));
            answer.hides("arena::Texture");
        }
        for datatype in ["raw", "meta", "processed"] {
            let path = format!("/crash_data/datatype/{datatype}/uuid/{id}");
            let answer = site.ask("GET", &path, headers).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (401, &json!("unauthorized"))
            );
        }
    }
}

#[tokio::test]
async fn the_link_signs_a_browser_in_and_leads_to_the_report() {
    let site = Site::start().await;
    let id = new_id();
    site.save_processed(&id, json!({"signature": "f"})).await;
    let path = format!("/report/index/{id}");
    let token = Token::open(&site.dir.path().join("token")).unwrap();
    let link = token_link(site.address, &token, &path);
    let link = link
        .strip_prefix(&format!("http://{}", site.address))
        .unwrap();

    let answer = site.ask("GET", link, &["Sec-Fetch-Site: none"]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(path.as_str()))
    );
    let cookie = answer.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    assert!(pair.starts_with(&format!("socorro-{}=", site.address.port())));

    let cookie = format!("Cookie: other=1; {pair}");
    assert_eq!(site.ask("GET", &path, &[&cookie]).await.status, 200);
    let cookie = format!("Cookie: {pair}x");
    assert_eq!(site.ask("GET", &path, &[&cookie]).await.status, 401);
}

#[tokio::test]
async fn a_wrong_link_signs_nobody_in() {
    let site = Site::start().await;
    for link in [
        "/login",
        "/login?token=",
        "/login?token=wrong&next=/report/index/1",
    ] {
        let answer = site.ask("GET", link, &[]).await;
        assert_eq!(
            (answer.status, answer.header("set-cookie")),
            (401, None),
            "{link}"
        );
    }
    let wrong = site
        .ask("GET", "/login?token=wrong&next=/report/index/1", &[])
        .await;
    wrong.shows(r#"value="/report/index/1""#);
}

#[tokio::test]
async fn a_link_leads_to_no_other_server() {
    let site = Site::start().await;
    for next in [
        "//evil.example",
        "https://evil.example",
        "/%5Cevil.example",
        "/a%0d%0aX:%20y",
        "",
    ] {
        let link = format!("/login?token={}&next={next}", site.token());
        let answer = site.ask("GET", &link, &[]).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/")),
            "{next}"
        );
    }
}

#[tokio::test]
async fn private_parts_are_for_those_with_the_right() {
    let raw = json!({"ProductName": "Arena", "Email": "player@example.com",
                     "metadata": {"user_agent": "Secret/1.0"}});
    let processed = json!({"signature": "f", "crashing_thread": 0, "user_comments": "I live in Ulm",
        "json_dump": {"crashing_thread": {"frames": [{"registers": {"rax": "0x5ec2e7"}}]}}});
    let secrets = [
        "player@example.com",
        "Email",
        "Secret/1.0",
        "Ulm",
        "0x5ec2e7",
        "datatype/raw",
    ];
    let id = new_id();
    let forms = [
        format!("/report/index/{id}"),
        format!("/crash_data/datatype/meta/uuid/{id}"),
        format!("/crash_data/datatype/processed/uuid/{id}"),
    ];
    for (rights, private) in [
        (vec![Right::Read], false),
        (vec![Right::Read, Right::Private], true),
    ] {
        let site = Site::with(|options| {
            options.auth = Auth::Proxy;
            options.proxy.rights = rights;
        })
        .await;
        site.save(&id, raw.clone(), &[("upload_file_minidump", b"MDMP")])
            .await;
        site.save_processed(&id, processed.clone()).await;
        let mut all = String::new();
        for form in &forms {
            let answer = site.ask("GET", form, &[PROXY]).await;
            assert_eq!(answer.status, 200);
            all.push_str(answer.text());
        }
        assert!(all.contains("Arena"));
        for secret in secrets {
            assert_eq!(all.contains(secret), private, "{secret}: {all}");
        }
        assert_eq!(all.contains("2 annotations not shown: private."), !private);
        let dump = format!("/crash_data/datatype/raw/uuid/{id}");
        let dump = site.ask("GET", &dump, &[PROXY]).await;
        assert_eq!(dump.status, if private { 200 } else { 403 });
    }
}

#[tokio::test]
async fn without_authentication_strangers_are_refused() {
    let site = Site::with(|options| options.auth = Auth::None).await;
    let id = new_id();
    site.save_processed(&id, json!({"signature": "f"})).await;
    let path = format!("/report/index/{id}");
    assert_eq!(site.ask("GET", &path, &[]).await.status, 200);
    let refused: [&[&str]; 4] = [
        &["Host: crashes.example"],
        &["X-Forwarded-For: 192.0.2.1"],
        &["Forwarded: for=192.0.2.1"],
        &["Host: localhost", "X-Forwarded-Proto: https"],
    ];
    for headers in refused {
        let answer = site.ask("GET", &path, headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        answer.hides("Crashing");
    }
}

#[tokio::test]
async fn a_server_that_could_let_nobody_in_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, "weak").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        token_file,
        ..Options::default()
    };
    let primary = PrimaryStorage::new(&Settings::default());
    let metrics = Metrics::default();
    let stop = CancellationToken::new();
    let error = serve(listener, &options, primary, metrics, stop)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("token file"), "{error}");
}
