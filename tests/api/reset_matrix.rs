//! A reset in the middle of everything: after every step of every registration and of every sign-in, the user must
//! register again, nothing half-registered is left, what was interrupted goes no further, and the old session is dead.
//!
//! The cases are generated from [`ROWS`]: a kind is a list of named steps. A new kind is one more row; the table is
//! held against `MethodKind::ALL`, so none can be forgotten.

use std::collections::BTreeSet;

use rekey::methods::MethodKind;

use crate::{
    sign_in_fixtures::{PASSWORD, begin, path, set_password},
    support::on_each_backend,
};

mod case;
mod rows;

use case::Case;
use rows::{CHANGE_PASSWORD, OPENINGS, ROWLESS, ROWS};

#[test]
fn no_kind_is_forgotten() {
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.kind).collect();
    let rowless: BTreeSet<_> = ROWLESS.iter().map(|(kind, _)| *kind).collect();
    assert!(rows.is_disjoint(&rowless));
    assert_eq!(&rows | &rowless, MethodKind::ALL.iter().copied().collect());
    for row in ROWS.iter().filter(|row| row.proof.is_empty()) {
        assert!(!row.kind.counts_as_mfa(), "{} is a second factor without a proof", row.name);
    }
}

#[tokio::test]
async fn in_the_middle_of_a_registration() {
    on_each_backend(async |app| {
        let mut number = 0;
        for row in ROWS.iter().filter(|row| !row.registration.is_empty()) {
            for done in 0..=row.registration.len() {
                number += 1;
                let at = format!("{:?}: {} after {done} steps of its registration", app.backend, row.name);
                let mut case = Case::new(&app, &format!("registering{number}"), row).await;
                case.begin_registration().await;
                case.take(&row.registration[..done], &at).await;
                case.reset_and_check(row.registration.get(done), &at).await;
            }
        }
        assert!(number > 8, "{number}");
    })
    .await;
}

#[tokio::test]
async fn in_the_middle_of_a_sign_in() {
    on_each_backend(async |app| {
        let mut number = 0;
        for row in ROWS.iter().filter(|row| !row.proof.is_empty()) {
            // With a password that is good, and with one that must be replaced when all is proven.
            for must_change in [false, true] {
                for done in 0..=row.proof.len() {
                    number += 1;
                    let change = if must_change { " of a password to be replaced" } else { "" };
                    let at = format!("{:?}: {} after {done} steps of a sign-in{change}", app.backend, row.name);
                    let mut case = Case::new(&app, &format!("signing-in{number}"), row).await;
                    if !row.registration.is_empty() {
                        case.begin_registration().await;
                        case.take(row.registration, &at).await;
                    }
                    set_password(&app, &case.user, must_change).await;
                    case.session = begin(&app, &case.user, PASSWORD).await.expect(201).json;
                    assert_eq!(case.session["status"], "mfaRequired", "{at}: {}", case.session);
                    case.take(&row.proof[..done], &at).await;
                    let expected = match (done == row.proof.len(), must_change) {
                        (false, _) => "mfaRequired",
                        (true, false) => "completed",
                        (true, true) => "passwordChangeRequired",
                    };
                    let session = app.get(&path(&case.session)).await.expect(200).json;
                    assert_eq!(session["status"], expected, "{at}: {session}");
                    let change = must_change.then_some(&CHANGE_PASSWORD);
                    case.reset_and_check(row.proof.get(done).or(change), &at).await;
                }
            }
        }
        assert!(number >= 24, "{number}");
    })
    .await;
}

#[tokio::test]
async fn in_the_middle_of_a_sign_in_that_begins_otherwise() {
    on_each_backend(async |app| {
        let mut number = 0;
        for opening in OPENINGS {
            let row = ROWS.iter().find(|row| row.kind == opening.kind).unwrap();
            for done in 0..=opening.steps.len() {
                number += 1;
                let at = format!("{:?}: {} after {done} steps of a sign-in that it began", app.backend, opening.name);
                let mut case = Case::new(&app, &format!("beginning{number}"), row).await;
                if !row.registration.is_empty() {
                    case.begin_registration().await;
                    case.take(row.registration, &at).await;
                }
                if let Some(prepare) = opening.prepare {
                    let answer = prepare(&mut case).await;
                    assert!(answer.status.is_success(), "{at}: {}", answer.text);
                }
                case.session = (opening.open)(&mut case).await.expect(201).json;
                case.take(&opening.steps[..done], &at).await;
                let session = app.get(&path(&case.session)).await.expect(200).json;
                assert_eq!(session["status"], opening.statuses[done], "{at}: {session}");
                case.reset_and_check(opening.steps.get(done), &at).await;
            }
        }
        assert_eq!(number, OPENINGS.iter().map(|opening| opening.statuses.len()).sum::<usize>());
    })
    .await;
}
