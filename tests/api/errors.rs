//! Failures have Graph's shape, whoever notices them.

use crate::support::{Answer, on_each_backend};

#[tokio::test]
async fn failures_have_graphs_shape() {
    on_each_backend(async |app| {
        app.get("/v1.0/nonsense").await.expect_error(404, "resourceNotFound");
        let reset = format!("{}/v1.0/users/nobody@contoso.example/authentication/resetMfa", app.base);
        let answer = Answer::of(app.http.post(&reset)).await.expect_error(401, "InvalidAuthenticationToken");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        Answer::of(app.http.post(&reset).bearer_auth("x.y.z")).await.expect_error(401, "InvalidAuthenticationToken");
        Answer::of(app.http.post(&reset).bearer_auth(&app.token)).await.expect_error(404, "Request_ResourceNotFound");
        Answer::of(app.http.get(&reset).bearer_auth(&app.token)).await.expect_error(405, "notAllowed");
    })
    .await;
}
