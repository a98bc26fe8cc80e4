internal import Foundation
internal import HTTPTypes
internal import Hummingbird

/// Lets through only what the gateway signed, and says whose request it is.
struct IdentityMiddleware: RouterMiddleware {
    let check: IdentityCheck
    let now: @Sendable () -> Int64

    func handle(
        _ request: Request,
        context: BackendContext,
        next: (Request, BackendContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.user = try check.user(
            user: request.headers[.userID],
            signature: request.headers[.sluiceSignature],
            method: request.head.method.rawValue,
            target: request.head.path ?? "/",
            now: now()
        )
        return try await next(request, context)
    }
}

extension HTTPField.Name {
    static var userID: Self { Self("x-user-id")! }
    static var sluiceSignature: Self { Self("x-sluice-signature")! }
    static var idempotencyKey: Self { Self("idempotency-key")! }
    static var serverTimeout: Self { Self("x-server-timeout")! }
    static var priority: Self { Self("priority")! }
}
