//! From a pending page to a report.

use super::*;

fn path(id: impl std::fmt::Display) -> String {
    format!("/report/index/{id}")
}

/// Where a pending page goes by itself.
fn refresh(answer: &Answer) -> String {
    let (_, rest) = answer
        .text()
        .split_once(r#"http-equiv="refresh" content=""#)
        .unwrap();
    let (content, _) = rest.split_once('"').unwrap();
    content.split_once("; url=").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_prefixed_id_leads_to_the_bare_one() {
    let site = Site::start().await;
    let answer = site.get(&path(format!("bp-{}", old_id()))).await;
    let expected = path(old_id());
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(expected.as_str()))
    );
}

#[tokio::test]
async fn nonsense_and_unknown_ids_are_told_apart() {
    let site = Site::start().await;
    for nonsense in [
        "nonsense",
        "bp-",
        "%3Cscript%3E",
        "4DD21CC0-49D9-46AE-A42B-FADB42090928",
    ] {
        let answer = site.get(&path(nonsense)).await;
        assert_eq!(answer.status, 400, "{nonsense}");
        answer.shows("This is not a crash id");
    }
    let answer = site.get(&path(old_id())).await;
    assert_eq!(answer.status, 404);
    answer.shows(&format!("There is no crash {}.", old_id()));
    assert!(!site.is_requested(&old_id()));
}

#[tokio::test]
async fn a_pending_page_asks_once_and_turns_into_the_report() {
    let site = Site::start().await;
    let id = old_id();
    site.save(&id, json!({"legacy_processing": 1}), &[]).await;
    let answer = site.get(&path(id)).await;
    assert_eq!(answer.status, 202);
    answer.shows("This report is being made");
    assert!(site.is_requested(&id));

    // A processor takes the request; the page looks again and asks no more.
    std::fs::remove_dir_all(site.dir.path().join("standard/.queue")).unwrap();
    let again = refresh(&answer);
    assert_eq!(again, format!("{}?asked=1", path(id)));
    let answer = site.get(&again).await;
    assert_eq!(answer.status, 202);
    answer.shows("This report is being made");
    assert_eq!(refresh(&answer), format!("{}?asked=2", path(id)));
    assert!(!site.is_requested(&id));

    site.save_processed(&id, json!({"signature": "arena::Texture"}))
        .await;
    let answer = site.get(&refresh(&answer)).await;
    let bare = path(id);
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some(bare.as_str()))
    );
    site.get(&bare)
        .await
        .shows("<title>arena::Texture · Crash reports</title>");
}

#[tokio::test]
async fn a_crash_that_has_not_arrived_is_waited_for() {
    let site = Site::start().await;
    let id = new_id();
    let answer = site.get(&path(id)).await;
    assert_eq!(answer.status, 202);
    answer.shows("This crash has not arrived yet");
    assert!(site.is_requested(&id));
    site.save(&id, json!({}), &[]).await;
    site.get(&refresh(&answer))
        .await
        .shows("This report is being made");
}

#[tokio::test]
async fn what_another_site_causes_asks_for_nothing() {
    let site = Site::start().await;
    let id = new_id();
    site.save(&id, json!({"legacy_processing": 1}), &[]).await;
    let bearer = format!("Authorization: Bearer {}", site.token());
    for other in ["cross-site", "same-site"] {
        let other = format!("Sec-Fetch-Site: {other}");
        let answer = site.ask("GET", &path(id), &[&bearer, &other]).await;
        assert_eq!(answer.status, 202);
        answer.shows("This crash was set aside");
        answer.shows(&format!(r#"<a class="button" href="{}">"#, path(id)));
        // The browser calls the next look the page's own. It must not ask either.
        let next = refresh(&answer);
        site.ask("GET", &next, &[&bearer, "Sec-Fetch-Site: same-origin"])
            .await;
        assert!(!site.is_requested(&id));
    }
    let bearer = [bearer.as_str()];
    assert_eq!(site.ask("HEAD", &path(id), &bearer).await.status, 202);
    assert!(!site.is_requested(&id));
    for own in ["same-origin", "none"] {
        let id = new_id();
        let own = format!("Sec-Fetch-Site: {own}");
        site.ask("GET", &path(id), &[bearer[0], &own]).await;
        assert!(site.is_requested(&id));
    }
}

#[tokio::test]
async fn visitors_without_the_right_to_act_only_wait() {
    let site = Site::with(|options| options.auth = Auth::Proxy).await;
    let id = new_id();
    site.save(&id, json!({}), &[]).await;
    let answer = site.ask("GET", &path(id), &["X-Forwarded-User: ada"]).await;
    assert_eq!(answer.status, 202);
    answer.shows("This crash waits to be processed");
    answer.hides("class=\"button\"");
    assert!(!site.is_requested(&id));
    let api = format!("/crash_data/datatype/processed/uuid/{id}");
    assert_eq!(
        site.ask("GET", &api, &["X-Forwarded-User: ada"])
            .await
            .status,
        408
    );
    assert!(!site.is_requested(&id));
}

#[tokio::test]
async fn a_report_without_its_raw_crash_is_still_a_report() {
    let site = Site::start().await;
    site.save_processed(&old_id(), json!({"signature": "arena::Texture"}))
        .await;
    let answer = site.get(&path(old_id())).await;
    assert_eq!(answer.status, 200);
    answer.shows("The raw crash is not stored any more.");
}
