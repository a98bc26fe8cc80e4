internal import Foundation
package import Hummingbird
package import Logging
internal import NIOCore
package import PostgresClient

/// What a backend is made of, as it runs and as tests run it.
package struct BackendApplication: Sendable {
    package let readiness = Readiness()
    package let running = RunningTurns()
    private let settings: BackendSettings
    private let pool: PostgresPool
    private let gateway: GatewayClient
    private let metrics: BackendMetrics
    private let logger: Logger

    package init(
        settings: BackendSettings,
        pool: PostgresPool,
        gateway: GatewayClient,
        metrics: BackendMetrics,
        logger: Logger
    ) {
        self.settings = settings
        self.pool = pool
        self.gateway = gateway
        self.metrics = metrics
        self.logger = logger
    }

    /// - Parameter now: seconds since 1970, for the age of signatures.
    package func makeRouter(
        now: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    ) -> Router<BackendContext> {
        let router = Router(context: BackendContext.self)
        router.add(middleware: ProblemMiddleware(metrics: metrics))
        HealthRoutes(readiness: readiness, pool: pool, metrics: metrics, running: running).add(to: router)
        WebRoutes(site: WebSite()).add(to: router)
        let group = router.group()
            .add(middleware: ReadinessMiddleware(readiness: readiness))
            .add(middleware: IdentityMiddleware(check: IdentityCheck(secret: settings.identitySecret), now: now))
        let gemini = Gemini(client: gateway, chatModel: settings.chatModel, embedModel: settings.embedModel)
        let pinecone = Pinecone(client: gateway, route: settings.pineconeRoute)
        let idempotency = IdempotencyStore(pool: pool, logger: logger)
        ConversationRoutes(store: ConversationStore(pool: pool), idempotency: idempotency).add(to: group)
        ChatRoutes(
            turns: TurnRunner(
                store: TurnStore(pool: pool),
                gemini: gemini,
                pinecone: pinecone,
                running: running,
                metrics: metrics,
                logger: logger
            ),
            idempotency: idempotency,
            timeout: settings.turnTimeout
        ).add(to: group)
        DocumentRoutes(
            importer: DocumentImporter(gemini: gemini, pinecone: pinecone, pool: pool, logger: logger),
            idempotency: idempotency,
            running: running,
            timeout: settings.turnTimeout
        ).add(to: group)
        return router
    }

    /// Brings the schema up to date; from then on the backend is ready.
    /// - Throws: `PostgresError`.
    package func migrate() async throws {
        try await pool.migrate(Schema.migrations, logger: logger)
        readiness.set(.ready)
    }

    /// Forgets what is out of date. To be called from time to time.
    func tidyUp() async {
        do throws(PostgresError) {
            try await IdempotencyStore(pool: pool, logger: logger).forgetOld()
        } catch {
            logger.warning("old idempotency keys were not removed", metadata: ["error": "\(error)"])
        }
    }
}
