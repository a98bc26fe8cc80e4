internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import PostgresClient

extension Problem {
    /// What a caller is told of any error. What is not their affair is logged and answered as 500.
    init(from error: any Error, logger: Logger) {
        switch error {
        case let problem as Problem:
            self = problem
        case let error as PostgresError:
            self.init(error, logger: logger)
        case let error as GatewayError:
            self.init(error, logger: logger)
        case let error as HTTPError:
            self.init(error)
        case is NIOTooManyBytesError:
            self.init(.contentTooLarge, "the body is too large")
        case is CancellationError:
            self.init(.serviceUnavailable, "the server is shutting down", retryAfter: 1)
        default:
            logger.error("unexpected error", metadata: ["error": "\(error)"])
            self.init(.internalServerError, "something went wrong here")
        }
    }

    private init(_ error: PostgresError, logger: Logger) {
        if error.isTransient {
            logger.warning("Postgres is not available", metadata: ["error": "\(error)"])
            self.init(.serviceUnavailable, "the database is busy or away", retryAfter: 2)
        } else {
            logger.error("Postgres refused a statement", metadata: ["error": "\(error)"])
            self.init(.internalServerError, "something went wrong here")
        }
    }

    private init(_ error: GatewayError, logger: Logger) {
        switch error {
        case .refused(let status, let retryAfter, let message) where status == 429 || status == 503:
            self.init(.serviceUnavailable, message ?? "too many requests at the moment", retryAfter: retryAfter ?? 1)
        case .refused(let status, _, let message) where status == 504:
            self.init(.gatewayTimeout, message ?? "the model did not answer in time")
        case .refused(let status, _, let message):
            logger.error(
                "the gateway refused a call",
                metadata: ["status": "\(status)", "message": "\(message ?? "")"]
            )
            self.init(.badGateway, "the model could not be asked (status \(status))")
        case .unreachable(let reason):
            logger.warning("the gateway cannot be reached", metadata: ["error": "\(reason)"])
            self.init(.serviceUnavailable, "the model cannot be reached", retryAfter: 1)
        case .timedOut:
            self.init(.gatewayTimeout, "the model did not answer in time")
        case .brokenAnswer(let reason):
            logger.warning("an answer through the gateway broke", metadata: ["error": "\(reason)"])
            self.init(.badGateway, "the model's answer broke off")
        case .blocked(let reason):
            self.init(.unprocessableContent, "the model declined to answer: \(reason)")
        case .cancelled:
            self.init(.serviceUnavailable, "the server is shutting down", retryAfter: 1)
        }
    }

    private init(_ error: HTTPError) {
        let detail =
            switch error.status {
            case .notFound: "there is nothing here"
            case .contentTooLarge: "the body is too large"
            case .methodNotAllowed: "this method is not known here"
            default: error.body ?? error.status.reasonPhrase
            }
        self.init(error.status, detail)
    }
}
