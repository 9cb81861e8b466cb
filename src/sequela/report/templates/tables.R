library(survival)

d <- read.csv(@FILE@, check.names = FALSE, encoding = "UTF-8", na.strings = "",
              colClasses = c(@CLASSES@))
results <- data.frame(analysis = character(), quantity = character(), item = character(), group = character(),
                      value = numeric())
keep <- function(analysis, quantity, item, group, value)
  results[nrow(results) + 1, ] <<- list(analysis, quantity, item, group, as.numeric(value))

# Counts and percentages of a variable with levels; quartiles, range, mean and standard deviation of a number.
describe <- function(id, d, variable, levels, by, groups, test) {
  g <- if (is.null(by)) factor(rep("All patients", nrow(d))) else factor(d[[by]], levels = groups)
  x <- d[[variable]]
  for (group in levels(g)) {
    here <- x[!is.na(g) & g == group]
    keep(id, "unknown", variable, group, sum(is.na(here)))
    if (is.null(levels)) {
      keep(id, "n", variable, group, sum(!is.na(here)))
      q <- quantile(here, c(0.25, 0.5, 0.75), na.rm = TRUE)
      keep(id, "lower quartile", variable, group, q[1])
      keep(id, "median", variable, group, q[2])
      keep(id, "upper quartile", variable, group, q[3])
      keep(id, "mean", variable, group, mean(here, na.rm = TRUE))
      keep(id, "sd", variable, group, sd(here, na.rm = TRUE))
    } else for (level in levels)
      keep(id, "count", paste(variable, level, sep = ": "), group, sum(here == level, na.rm = TRUE))
  }
  if (test) keep(id, "p", variable, "", test_of(x, g, !is.null(levels)))
}

# Pearson's chi-square without correction; Fisher where an expected count is under 5; Mann-Whitney, Kruskal-Wallis.
test_of <- function(x, g, categorical) {
  known <- !is.na(x) & !is.na(g)
  x <- x[known]; g <- droplevels(g[known])
  if (categorical) {
    counts <- table(x, g)
    if (min(dim(counts)) < 2) return(NA)
    expected <- outer(rowSums(counts), colSums(counts)) / sum(counts)
    if (min(expected) < 5 && sum(counts) < 2000) return(fisher.test(counts, workspace = 2e7)$p.value)
    return(suppressWarnings(chisq.test(counts, correct = FALSE))$p.value)
  }
  if (nlevels(g) < 2 || min(table(g)) < 2) return(NA)
  if (nlevels(g) == 2) return(suppressWarnings(wilcox.test(x ~ g))$p.value)
  kruskal.test(x, g)$p.value
}

# Entry 0 is the origin itself: such patients are at risk from the start, also for an event on that day.
clock <- function(d, days, event, entry) {
  if (is.null(entry)) return(Surv(d[[days]], d[[event]] > 0))
  Surv(ifelse(d[[entry]] == 0, -1, d[[entry]]), d[[days]], d[[event]] > 0)
}

medians <- function(id, item, y, g, unit) for (group in levels(droplevels(g))) {
  here <- !is.na(g) & g == group
  fit <- survfit(y[here] ~ 1)
  q <- quantile(fit, 0.5)
  keep(id, "n", item, group, sum(here))
  keep(id, "events", item, group, sum(fit$n.event))
  keep(id, "median", item, group, q$quantile / unit)
  keep(id, "median lower", item, group, q$lower / unit)
  keep(id, "median upper", item, group, q$upper / unit)
}

# With delayed entry survdiff has no answer: the log-rank test is the score test of the exact partial likelihood.
log_rank <- function(id, item, y, g) {
  known <- !is.na(g)
  g <- droplevels(g[known])
  if (nlevels(g) < 2) return(invisible())
  late <- ncol(y) == 3
  if (!late) {
    keep(id, "log-rank chi-square", item, "", survdiff(y[known] ~ g)$chisq)
    return(invisible())
  }
  fit <- suppressWarnings(coxph(y[known] ~ g, ties = "exact", control = coxph.control(iter.max = 0)))
  keep(id, "log-rank chi-square", item, "", fit$score)
}

ratios <- function(id, quantity, y, x, ties, strata = NULL, cluster = NULL) {
  x <- droplevels(as.data.frame(x, check.names = FALSE))
  known <- complete.cases(x)
  some <- lapply(x, function(column) column[known])
  data <- as.data.frame(some, check.names = FALSE)
  data <- data[, vapply(data, function(v) length(unique(v)) > 1, TRUE), drop = FALSE]
  if (!ncol(data)) return(invisible())
  names(data) <- paste0(names(data), "=")
  parts <- paste0("`", names(data), "`", collapse = " + ")
  if (!is.null(strata)) { s <- interaction(strata)[known]; parts <- paste(parts, "+ strata(s)") }
  if (!is.null(cluster)) { k <- cluster[known]; k[is.na(k)] <- "unknown" }
  data <- droplevels(data)
  formula <- as.formula(paste("y[known] ~", parts))
  fit <- if (is.null(cluster)) coxph(formula, data, ties = ties) else coxph(formula, data, ties = ties, cluster = k)
  shown <- summary(fit)
  terms <- gsub("`", "", rownames(shown$conf.int))
  for (i in seq_along(terms)) {
    keep(id, paste(quantity, "hazard ratio"), terms[i], "", shown$conf.int[i, 1])
    keep(id, paste(quantity, "lower"), terms[i], "", shown$conf.int[i, 3])
    keep(id, paste(quantity, "upper"), terms[i], "", shown$conf.int[i, 4])
    keep(id, paste(quantity, "p"), terms[i], "", shown$coefficients[i, ncol(shown$coefficients)])
  }
}
