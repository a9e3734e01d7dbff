//! Commands that write files.

use super::*;

#[tokio::test]
async fn an_export_of_a_day_is_not_capped() {
    for site in Site::each().await {
        let mut expected = Vec::new();
        for _ in 0..25 {
            expected.push(site.processed().await);
        }
        let unprocessed = site.accepted().await;
        site.crash(date(2026, 11, 21), ThrottleResult::Accept, Some("f"))
            .await;

        let dir = site.path("out");
        let counts = site.json(&["export_jsonz_for_date", "261122", &dir]).await;
        assert_eq!(
            counts,
            json!({ "exported": 25, "missing": 1, "unreadable": 0 })
        );
        assert_eq!(files_in(&dir).len(), 25);
        for id in &expected {
            let json = gunzip(&Path::new(&dir).join(format!("{id}.jsonz")));
            assert_eq!(
                ProcessedCrash::from_json(&json).unwrap().signature(),
                Some("f | g")
            );
        }

        let tarball = site.path("day.tar.gz");
        site.run(&["export_jsonz_tarball_for_date", "261122", &dir, &tarball])
            .await;
        let mut names: Vec<_> = expected.iter().map(|id| member(id, ".jsonz")).collect();
        names.sort_unstable();
        assert_eq!(members(&tarball), names);

        let tarball = site.path("ids.tar");
        let ids = format!(
            "{}\n\n bp-{}\n{unprocessed}\nno id\n",
            expected[0], expected[1]
        );
        let words = ["export_jsonz_tarball_for_ooids", &dir, &tarball, "--json"];
        let (counts, _) = site.try_run(&words, &ids).await.unwrap();
        let counts: Value = serde_json::from_str(&counts).unwrap();
        assert_eq!(
            counts,
            json!({ "exported": 2, "missing": 2, "unreadable": 0 })
        );
        let mut names: Vec<_> = expected[..2]
            .iter()
            .map(|id| member(id, ".jsonz"))
            .collect();
        names.sort_unstable();
        assert_eq!(members(&tarball), names);
        site.end().await;
    }
}

#[tokio::test]
async fn a_sample_has_as_many_crashes_as_asked_for_and_no_private_annotations() {
    for site in Site::each().await {
        for number in 0..15 {
            let day = DAY.checked_sub(Span::new().days(number % 2)).unwrap();
            site.crash(day, ThrottleResult::Defer, None).await;
        }
        let (temp, tarball) = (site.path("temp"), site.path("sample.tar.gz"));
        let export = |n: &'static str| {
            let command = "export_sampled_crashes_tarball_for_dates";
            [command, n, "261122,261121,261122", &temp, &tarball].map(str::to_owned)
        };
        let run = async |words: Vec<String>| {
            site.json(&words.iter().map(String::as_str).collect::<Vec<_>>())
                .await
        };
        let counts = run(export("7").into()).await;
        assert_eq!(counts, json!({ "exported": 7, "met": 15, "missing": 0 }));
        let names = members(&tarball);
        assert_eq!(
            names.iter().filter(|name| name.ends_with(".json")).count(),
            7
        );
        assert_eq!(names.len(), 3 * 7, "json, main dump and flash1 of each");
        let unpacked = |name: &str| {
            let output = std::process::Command::new("tar")
                .args(["-xOf", &tarball, name])
                .output()
                .unwrap();
            output.stdout
        };
        let json = names.iter().find(|name| name.ends_with(".json")).unwrap();
        let raw = RawCrash::from_json(&unpacked(json)).unwrap();
        assert_eq!(raw.get_str("ProductName"), Some("Arena"));
        assert_eq!(raw.get("Email"), None);
        let dump = json.replace(".json", ".dump");
        assert_eq!(unpacked(&dump), b"MDMP\0\xff main");

        // More than there are: all, and the private ones where asked for.
        let mut all = Vec::from(export("100"));
        all.push("--private".into());
        assert_eq!(run(all).await["exported"], 15);
        let json = members(&tarball)
            .into_iter()
            .find(|name| name.ends_with(".json"));
        let raw = RawCrash::from_json(&unpacked(&json.unwrap())).unwrap();
        assert_eq!(raw.get_str("Email"), Some("private"));
        site.end().await;
    }
}

#[tokio::test]
async fn an_interrupted_export_leaves_no_file() {
    let site = Site::on_files();
    let mut ids = String::new();
    for _ in 0..50 {
        ids.push_str(&format!("{}\n", site.processed().await));
    }
    let ids = ids.repeat(1_000);
    let out = site.path("out");
    fs::create_dir(&out).unwrap();
    let tarball = format!("{out}/day.tar.gz");
    for words in [
        &["export_jsonz_tarball_for_date", "261122", &out, &tarball][..],
        &[
            "export_sampled_crashes_tarball_for_dates",
            "9",
            "261122",
            &out,
            &tarball,
        ],
        &["export_jsonz_tarball_for_ooids", &out, &tarball],
    ] {
        let stop = CancellationToken::new();
        let soon = stop.clone();
        let stopper = async {
            // The export has begun: its temporary file is there.
            while files_in(&out).is_empty() {
                tokio::task::yield_now().await;
            }
            soon.cancel();
        };
        let (result, ()) = tokio::join!(
            site.run_with(words, &ids, Output::default(), stop.clone()),
            stopper
        );
        assert_eq!(result.unwrap_err().to_string(), "interrupted", "{words:?}");
        assert!(files_in(&out).is_empty(), "{words:?}");
    }
}
