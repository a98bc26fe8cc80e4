internal import Dispatch

/// Calls of C libraries that block: name resolution and libpq's cancel request. They run on threads of Dispatch.
enum BlockingCall {
    private static let queue = DispatchQueue(label: "postgres-blocking", attributes: .concurrent)

    static func run<Result: Sendable>(_ call: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: call()) }
        }
    }
}
