internal import HTTPTypes
internal import Hummingbird

/// Turns every error into a problem document, and counts every answer.
struct ProblemMiddleware: RouterMiddleware {
    let metrics: BackendMetrics

    func handle(
        _ request: Request,
        context: BackendContext,
        next: (Request, BackendContext) async throws -> Response
    ) async throws -> Response {
        let response: Response
        do {
            response = try await next(request, context)
        } catch {
            response = Problem(from: error, logger: context.logger).response
        }
        metrics.answered(status: response.status.code)
        return response
    }
}
