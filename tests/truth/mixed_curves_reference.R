# Nonlinear mixed-effects dose-response curves by R 4.2 (nlme); writes mixed_curves_reference.json.
# Run in this directory: Rscript mixed_curves_reference.R
suppressMessages(library(nlme))
set.seed(20261123)
dose <- c(0, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)
curves <- expand.grid(experiment = 1:5, culture = c("A", "B"), stringsAsFactors = FALSE)
day <- rnorm(5, 0, 0.30)
parts <- lapply(seq_len(nrow(curves)), function(i) {
  e <- curves$experiment[i]; b <- curves$culture[i] == "B"
  t <- log(0.05) + 0.9 * b + day[e] + rnorm(1, 0, 0.25); low <- (if (b) 0.3 else 0.2) + rnorm(1, 0, 0.04)
  x <- rep(dose, each = 3)
  mean <- low + (1 - low) / (1 + exp(1.2 * (log(x) - t)))
  data.frame(experiment = e, culture = curves$culture[i], dose = x, response = round(mean + rnorm(length(x), 0, 0.05), 4))
})
d <- do.call(rbind, parts)
d$curve <- factor(paste(d$culture, d$experiment)); d$experiment <- factor(d$experiment); d$culture <- factor(d$culture)
d$x <- ifelse(d$dose > 0, log(d$dose), -60)
ll4 <- deriv(~ c + (d - c) / (1 + exp(exp(lb) * (x - t))), c("lb", "c", "d", "t"), function(x, lb, c, d, t) NULL)
tight <- nlmeControl(tolerance = 1e-7, pnlsTol = 1e-5, minScale = 1e-8, msTol = 1e-11, maxIter = 300, msMaxIter = 200)
start <- c(0.2, 0.2, 0.2, 0.3, 1, 1, -3, -2)
# nlme's own likelihood fit (its REML keeps the variances of ML: nlme 3.1-162)
ml <- function(data, random, groups) nlme(response ~ ll4(x, lb, c, d, t), data = data, fixed = lb + c + d + t ~ culture - 1,
  random = random, groups = groups, start = start, method = "ML", control = tight)
# Lindstrom and Bates' steps with nlme's lme for the restricted likelihood of each linear model
reml <- function(data, varied, nested) {
  side <- model.matrix(~ culture - 1, data); par <- c("lb", "c", "d", "t"); beta <- start; b <- matrix(0, nrow(data), length(varied))
  m <- NULL
  for (round in 1:200) {
    theta <- sapply(1:4, function(k) side %*% beta[2 * k - 1:0]); colnames(theta) <- par
    theta[, varied] <- theta[, varied] + b
    f <- ll4(data$x, theta[, 1], theta[, 2], theta[, 3], theta[, 4]); g <- attr(f, "gradient")
    X <- do.call(cbind, lapply(1:4, function(k) side * g[, k])); Z <- g[, varied, drop = FALSE]
    w <- data.frame(w = data$response - as.numeric(f) + X %*% beta + rowSums(Z * b), experiment = data$experiment, curve = data$curve)
    w$X <- I(X)
    for (k in seq_along(varied)) w[[paste0("z", k)]] <- Z[, k]
    form <- as.formula(paste("~", paste(paste0("z", seq_along(varied)), collapse = " + "), "- 1"))
    random <- if (nested) list(experiment = pdDiag(form), curve = pdDiag(form)) else list(curve = pdDiag(form))
    m <- lme(w ~ X - 1, data = w, random = random, method = "REML", control = lmeControl(tolerance = 1e-12, msTol = 1e-13, maxIter = 500, msMaxIter = 500))
    new <- unname(fixef(m)); u <- ranef(m)
    spread <- function(r, key) as.matrix(r[match(as.character(data[[key]]), sub("^.*/", "", rownames(r))), , drop = FALSE])
    fresh <- if (nested) spread(u$experiment, "experiment") + spread(u$curve, "curve") else spread(u, "curve")
    moved <- max(abs(new - beta), abs(fresh - b)); beta <- new; b <- unname(fresh)
    if (moved < 1e-9) break
  }
  cat("rounds", round, "moved", moved, "\n"); m
}
report <- function(m) {
  v <- VarCorr(m); sd <- suppressWarnings(as.numeric(v[, "StdDev"]))
  list(fixed = unname(fixef(m)), se = unname(sqrt(diag(vcov(m)))), sd = sd[!is.na(sd)], log_likelihood = as.numeric(logLik(m)))
}
short <- d[!(d$culture == "B" & d$experiment == "2") & !(d$culture == "A" & d$experiment == "4" & d$dose > 0.2), ]
short$curve <- droplevels(short$curve)
out <- list(
  ml_t = report(ml(d, list(curve = pdDiag(t ~ 1)), ~ curve)),
  ml_ct = report(ml(d, list(curve = pdDiag(c + t ~ 1)), ~ curve)),
  ml_nested_t = report(ml(d, list(experiment = pdDiag(t ~ 1), curve = pdDiag(t ~ 1)), ~ experiment / curve)),
  ml_uneven_ct = report(ml(short, list(curve = pdDiag(c + t ~ 1)), ~ curve)),
  reml_t = report(reml(d, "t", FALSE)), reml_ct = report(reml(d, c("c", "t"), FALSE)),
  reml_nested_t = report(reml(d, "t", TRUE)), reml_uneven_ct = report(reml(short, c("c", "t"), FALSE))
)
print(out)
text <- function(v) paste0("[", paste(sprintf("%.12g", v), collapse = ", "), "]")
block <- function(r) paste0("{", paste(sprintf('"%s": %s', names(r), sapply(r, text)), collapse = ", "), "}")
words <- function(v) paste0("[", paste0('"', v, '"', collapse = ", "), "]")
data <- sprintf('"data": {"experiment": %s, "culture": %s, "dose": %s, "response": %s}', words(d$experiment), words(d$culture), text(d$dose), text(d$response))
writeLines(c("{", paste(c(sprintf('"%s": %s', names(out), sapply(out, block)), data), collapse = ",\n"), "}"), "mixed_curves_reference.json")
